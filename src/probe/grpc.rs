//! `grpc`: the health protocol, `grpc.health.v1.Health/Check`, as one unary call.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use hyper::body::Bytes;
use hyper::http::HeaderMap;
use hyper::{Request, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::{Failure, Progress, Stage};
use super::dialog::shown;
use super::http::{USER_AGENT, drive, host, unmade};
use super::tls::Alpn;
use super::tools::Tools;
use super::{http2, tcp};
use crate::health::check::Grpc;

/// Bytes of an answer that are read; the message has two.
const LIMIT: usize = 1024;

/// Asks for the health of a service.
pub(crate) async fn ask(
    address: SocketAddr,
    source: Option<IpAddr>,
    grpc: &Grpc,
    tools: &Tools,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    let (scheme, port) = if grpc.tls.is_some() { ("https", 443) } else { ("http", 80) };
    let host = host(address, port, grpc.host.as_deref());
    let request = Request::post(format!("{scheme}://{host}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, USER_AGENT)
        .body(())
        .map_err(|error| unmade(&error))?;
    let stream = tcp::connect(address, source).await?;
    match &grpc.tls {
        None => call(stream, request, &grpc.service, progress).await,
        Some(tls) => {
            progress.enter(Stage::Tls);
            let stream = tools.connectors.handshake(stream, &host, tls, Alpn::Http2).await?.stream;
            call(stream, request, &grpc.service, progress).await
        }
    }
}

async fn call<S>(
    stream: S,
    request: Request<()>,
    service: &str,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    progress.enter(Stage::Response);
    let (sender, connection) = http2::begin(stream).await?;
    let dialog = async {
        let (head, mut body) = http2::send(sender, request, Some(message(service))).await?;
        progress.enter(Stage::Body);
        if head.status != 200 {
            return Err(Failure::of_target(format!("HTTP {}, wanted a gRPC answer", head.status.as_u16())));
        }
        let mut seen = Vec::new();
        while let Some(data) = http2::piece(&mut body).await? {
            if seen.len() + data.len() > LIMIT {
                return Err(Failure::of_target("gRPC: the answer is too long"));
            }
            seen.extend(data);
        }
        let trailers = body.trailers().await.map_err(|error| http2::broken(&error, Stage::Body))?;
        status(trailers.as_ref().unwrap_or(&head.headers))?;
        let serving = serving(&seen).ok_or_else(|| Failure::of_target("gRPC: the answer cannot be read"))?;
        progress.enter(Stage::Done);
        match serving {
            1 => Ok("gRPC: SERVING".into()),
            0 => Err(Failure::of_target("gRPC: UNKNOWN, wanted SERVING")),
            2 => Err(Failure::of_target("gRPC: NOT_SERVING, wanted SERVING")),
            3 => Err(Failure::of_target("gRPC: SERVICE_UNKNOWN, wanted SERVING")),
            other => Err(Failure::of_target(format!("gRPC: status {other}, wanted SERVING"))),
        }
    };
    drive(dialog, connection).await
}

/// `HealthCheckRequest {service = 1}` behind its five octets of gRPC: not compressed, length.
fn message(service: &str) -> Bytes {
    // The configuration allows 100 octets, so both lengths fit into one.
    let length = service.len() as u8;
    let inner = if length == 0 { 0 } else { length + 2 };
    let mut message = vec![0, 0, 0, 0, inner];
    if length > 0 {
        message.extend([0x0a, length]);
        message.extend(service.as_bytes());
    }
    message.into()
}

/// `grpc-status` must be 0.
fn status(trailers: &HeaderMap) -> Result<(), Failure> {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let Some(status) = text("grpc-status") else { return Err(Failure::of_target("gRPC: the answer has no status")) };
    if status == "0" {
        return Ok(());
    }
    let name = status.parse::<usize>().ok().and_then(|number| NAMES.get(number).copied());
    let name = name.map_or_else(|| shown(status.as_bytes()), str::to_owned);
    let why = text("grpc-message").map(|why| format!(": {}", shown(why.as_bytes()))).unwrap_or_default();
    Err(Failure::of_target(format!("gRPC: {name}{why}")))
}

/// The status of a `HealthCheckResponse {status = 1}`; left out, it is 0. Other fields are skipped.
fn serving(answer: &[u8]) -> Option<u64> {
    let [0, a, b, c, d, message @ ..] = answer else { return None };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    let mut rest = message.get(..length)?;
    let mut serving = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match (key >> 3, key & 7) {
            (1, 0) => serving = varint(&mut rest)?,
            (_, 0) => drop(varint(&mut rest)?),
            (_, 1) => rest = rest.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            (_, 5) => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(serving)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&octet, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(&*message(""), [0, 0, 0, 0, 0]);
        assert_eq!(&*message("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }

    #[track_caller]
    fn check(message: &[u8], expected: Option<u64>) {
        let mut answer = vec![0, 0, 0, 0, message.len() as u8];
        answer.extend(message);
        assert_eq!(serving(&answer), expected);
    }

    #[test]
    fn answers() {
        check(&[], Some(0));
        check(&[8, 1], Some(1));
        check(&[8, 0x82, 0], Some(2));
        // Unknown fields of every wire type around it.
        check(&[0x12, 1, 7, 8, 1, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0x28, 9], Some(1));
        check(&[8], None);
        check(&[0x0b], None);
        check(&[0x12, 9, 1], None);
        check(&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], None);
        assert_eq!(serving(&[]), None);
        assert_eq!(serving(&[0, 0, 0, 0, 9, 8, 1]), None);
        // A compressed one, which was not asked for.
        assert_eq!(serving(&[1, 0, 0, 0, 2, 8, 1]), None);
    }
}
