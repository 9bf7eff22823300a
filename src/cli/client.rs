//! Asks the running server over its control socket.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::settings_at;
use crate::control::wire::{ErrorBody, PREFIX};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same of a reload.
const MUCH_PATIENCE: Duration = Duration::from_secs(125);
/// Largest answer that is read: a hundred thousand targets.
const MAX_ANSWER: usize = 256 << 20;

/// Which server is meant.
#[derive(Clone, Debug, Args)]
pub(super) struct Server {
    /// Settings file of the server [default: catchment.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// State directory of the server [default: state]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Its control socket [default: control.sock in the state directory]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// What the server said.
#[derive(Debug)]
pub(super) enum Said {
    /// As asked for.
    Good(Value),
    /// Not done, with the status and why.
    Refused(StatusCode, ErrorBody),
}

impl Server {
    /// The one of these settings and state directory.
    pub(super) fn of(config: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        Self { config, state, socket: None }
    }

    /// Reads. An answer that is text for people is a string.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Said> {
        self.ask(Method::GET, path, Bytes::new(), PATIENCE)
    }

    /// Tells.
    pub(super) fn post(&self, path: &str, body: &impl serde::Serialize) -> anyhow::Result<Said> {
        self.ask(Method::POST, path, serde_json::to_vec(body)?.into(), PATIENCE)
    }

    /// Tells, and waits for what may take minutes.
    pub(super) fn post_slow(&self, path: &str, body: &impl serde::Serialize) -> anyhow::Result<Said> {
        self.ask(Method::POST, path, serde_json::to_vec(body)?.into(), MUCH_PATIENCE)
    }

    fn socket(&self) -> anyhow::Result<PathBuf> {
        if let Some(socket) = &self.socket {
            return Ok(socket.clone());
        }
        let mut settings = settings_at(self.config.as_deref())?;
        if let Some(state) = &self.state {
            settings.state.clone_from(state);
        }
        match settings.control_socket() {
            Some(socket) => Ok(socket),
            None => bail!("the settings say `control: {{socket: off}}`, so there is nobody to ask"),
        }
    }

    fn ask(&self, method: Method, path: &str, body: Bytes, patience: Duration) -> anyhow::Result<Said> {
        let socket = self.socket()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = runtime.block_on(async { timeout(patience, ask(&socket, method, path, body)).await });
        asked.unwrap_or_else(|_| bail!("the server at {} did not answer within {patience:?}", socket.display()))
    }
}

impl Said {
    /// The answer; a refusal is printed, and is the command's exit code.
    pub(super) fn good(self) -> anyhow::Result<Result<Value, ExitCode>> {
        match self {
            Self::Good(value) => Ok(Ok(value)),
            Self::Refused(status, ErrorBody { error, help }) => {
                let mut out = io::stderr().lock();
                writeln!(out, "error: {error}")?;
                if let Some(help) = help {
                    writeln!(out, "  help: {help}")?;
                }
                let usage = status == StatusCode::BAD_REQUEST;
                Ok(Err(ExitCode::from(if usage { 2 } else { 1 })))
            }
        }
    }
}

/// An answer as one of the API's types.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    T::deserialize(value).context("the server speaks another version; use its own program")
}

async fn ask(socket: &Path, method: Method, path: &str, body: Bytes) -> anyhow::Result<Said> {
    let stream = UnixStream::connect(socket).await.map_err(|error| nobody(socket, &error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(format!("{PREFIX}/{path}"))
        .header("host", "catchment")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let response = sender.send_request(request).await.context("the server did not answer")?;
    let status = response.status();
    let is_text = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    connection.abort();
    let body = body.map_err(|error| anyhow::anyhow!("the answer could not be read: {error}"))?.to_bytes();
    if status.is_success() && is_text {
        return Ok(Said::Good(Value::String(String::from_utf8_lossy(&body).into_owned())));
    }
    if status.is_success() {
        let value = serde_json::from_slice(&body).context("the answer is not JSON; is this a Catchment's socket?")?;
        return Ok(Said::Good(value));
    }
    let words = serde_json::from_slice(&body);
    let words = words.unwrap_or_else(|_| ErrorBody { error: format!("the server answered {status}"), help: None });
    Ok(Said::Refused(status, words))
}

fn nobody(socket: &Path, error: &io::Error) -> anyhow::Error {
    let socket = socket.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => anyhow::anyhow!(
            "no server answers at {socket}\n  help: start one with `catchment serve`, or say where it runs with \
             `--config`, `--state` or `--socket`"
        ),
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("{socket} is not yours to use\n  help: run this as the user the server runs as, or as root")
        }
        _ => anyhow::anyhow!("{socket} cannot be used: {error}"),
    }
}
