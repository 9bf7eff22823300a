//! An HTTP server on this machine, in the clear or over TLS, that answers as the test says, and remembers what it was asked.

#![allow(dead_code, unreachable_pub, reason = "two test programs have a copy each, and use their own part")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// What came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub path: String,
    pub headers: HashMap<String, String>,
}

/// What goes.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Octets of the body after which the connection is cut.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, body: b"words of the server".to_vec(), ..Self::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Box<Answer>>>,
}

impl Server {
    /// Answers until the test ends.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::begin(None, answer)
    }

    /// The same over TLS.
    pub fn secured(
        config: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::begin(Some(config), answer)
    }

    fn begin(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(Box::new(answer))),
        };
        let (asked, answer) = (Arc::clone(&server.asked), Arc::clone(&server.answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = match &tls {
                    None => serve(&mut stream, &asked, &answer),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
                        let mut stream = rustls::StreamOwned::new(connection, stream);
                        let served = serve(&mut stream, &asked, &answer);
                        stream.conn.send_close_notify();
                        served.and(stream.flush())
                    }
                };
            }
        });
        server
    }

    /// Answers otherwise from now on.
    pub fn now(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    pub fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The same, paths only.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|request| request.path).collect()
    }
}

/// The first line of a request, and its headers; an error where there is none.
pub fn head(stream: &mut impl Read) -> std::io::Result<(String, HashMap<String, String>)> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into()))?;
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok((first, headers))
}

fn serve(
    stream: &mut (impl Read + Write),
    asked: &Mutex<Vec<Request>>,
    answer: &Mutex<Box<Answer>>,
) -> std::io::Result<()> {
    let (first, headers) = head(stream)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let request = Request { path, headers };
    asked.lock().unwrap().push(request.clone());
    let reply = answer.lock().unwrap()(&request);
    let mut head = format!("HTTP/1.1 {} Whatever\r\nConnection: close\r\n", reply.status);
    if reply.status != 304 {
        write!(head, "Content-Length: {}\r\n", reply.body.len()).unwrap();
    }
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let body = if reply.status == 304 { &[][..] } else { &reply.body[..reply.cut.unwrap_or(reply.body.len())] };
    stream.write_all(body)?;
    stream.flush()
}
