//! An HTTP proxy on this machine: every tunnel leads to one server, wherever it was asked to lead.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::server::head;

/// What a proxy does when it is asked for a tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// Makes one to here.
    Tunnel(SocketAddr),
    /// Answers with this, and no tunnel.
    Say(&'static str),
}

/// First line and headers.
type Head = (String, HashMap<String, String>);

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Head>>>,
}

impl Proxy {
    pub(crate) fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&proxy.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = serve(&stream.unwrap(), does, &asked);
            }
        });
        proxy
    }

    /// First lines and headers of what was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Head> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn serve(mut client: &TcpStream, does: Does, asked: &Mutex<Vec<Head>>) -> std::io::Result<()> {
    let request = head(&mut client)?;
    asked.lock().unwrap().push(request);
    let server = match does {
        Does::Say(words) => return client.write_all(words.as_bytes()),
        Does::Tunnel(to) => TcpStream::connect(to)?,
    };
    client.write_all(b"HTTP/1.1 200 Here you are\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let up = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    // Whoever ends first ends it.
    let _ = std::io::copy(&mut &server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    drop(up.join());
    Ok(())
}
