//! `dns`: one query to the target over UDP, again over TCP when the answer is cut short (RFC 1035 §4.2, RFC 7766).

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::RData;
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::attempt::{Failure, Progress, Stage};
use super::tcp;
use super::tools::Tools;
use crate::health::check::{Dns, DnsValue};

/// Octets of a datagram that are read: without EDNS no server sends more than 512.
const DATAGRAM: usize = 4096;

/// Asks the question of the check and judges the answer.
pub(crate) async fn ask(
    address: SocketAddr,
    source: Option<IpAddr>,
    dns: &Dns,
    tools: &Tools,
    progress: &mut Progress,
) -> Result<Cow<'static, str>, Failure> {
    let query = query(tools.random(), dns);
    progress.enter(Stage::Response);
    let mut answer =
        over_udp(address, source, &query).await.map_err(|error| Failure::of_connection(&error, Stage::Response))?;
    if is_cut(&answer) {
        progress.enter(Stage::Connect);
        let mut stream = tcp::connect(address, source).await?;
        progress.enter(Stage::Response);
        let dialog = async {
            stream.write_all(&framed(&query)).await?;
            let mut answer = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        answer = dialog.await.map_err(|error: io::Error| Failure::of_connection(&error, Stage::Response))?;
        if !answers(&answer, &query) {
            return Err(Failure::of_target("DNS: an answer to another question"));
        }
    }
    progress.enter(Stage::Done);
    judge(&answer, dns)
}

/// A question of class IN, without recursion: the target is asked for what it has itself.
fn query(id: u16, dns: &Dns) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    query.extend(&dns.name_wire);
    query.extend(dns.rtype.to_be_bytes());
    query.extend([0, 1]);
    query
}

fn framed(query: &[u8]) -> Vec<u8> {
    let mut framed = (query.len() as u16).to_be_bytes().to_vec();
    framed.extend(query);
    framed
}

async fn over_udp(address: SocketAddr, source: Option<IpAddr>, query: &[u8]) -> io::Result<Vec<u8>> {
    let any = if address.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(source.unwrap_or(any), 0)).await?;
    // Connected, it takes answers from the target only, and tells when nobody listens there.
    socket.connect(address).await?;
    socket.send(query).await?;
    let mut answer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut answer).await?;
        // An answer to something else is not ours, and does not end the wait.
        if answers(&answer[..length], query) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

/// Whether this is a response with the query's id and, if it has one, its question. A server that cannot read the query
/// leaves the question out.
fn answers(answer: &[u8], query: &[u8]) -> bool {
    let (Some(&[a, b, flags, _, _, questions]), Some(&[c, d])) = (answer.first_chunk(), query.first_chunk()) else {
        return false;
    };
    let question = query.get(12..).unwrap_or_default();
    let asked = answer.get(12..12 + question.len());
    (a, b) == (c, d)
        && flags & 0x80 != 0
        && (questions == 0 || asked.is_some_and(|asked| asked.eq_ignore_ascii_case(question)))
}

fn is_cut(answer: &[u8]) -> bool {
    answer.get(2).is_some_and(|flags| flags & 0x02 != 0)
}

fn judge(answer: &[u8], dns: &Dns) -> Result<Cow<'static, str>, Failure> {
    let message = match Message::from_vec(answer) {
        Ok(message) if message.metadata.message_type == MessageType::Response => message,
        _ => return Err(Failure::of_target("DNS: the answer cannot be read")),
    };
    let rcode = u16::from(message.metadata.response_code);
    if rcode != dns.rcode {
        return Err(Failure::of_target(format!("DNS: {}, wanted {}", rcode_name(rcode), rcode_name(dns.rcode))));
    }
    let records = message.answers.iter().filter(|record| u16::from(record.record_type()) == dns.rtype);
    let values: Vec<&RData> = records.map(|record| &record.data).collect();
    if let Some(missing) = dns.answers.iter().find(|wanted| !values.iter().any(|value| is(value, wanted))) {
        let mut shown = values.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if values.is_empty() {
            shown = format!("there is no {}", dns.rtype_name);
        }
        return Err(Failure::of_target(format!("DNS: `{}` is not in the answer ({shown})", missing.text)));
    }
    Ok(match (dns.rcode, values.len()) {
        (0, 1) => "DNS: one answer".into(),
        (0, count) => format!("DNS: {count} answers").into(),
        (rcode, _) => format!("DNS: {}", rcode_name(rcode)).into(),
    })
}

/// Whether a record's data is this value; letters of names may differ in case.
fn is(data: &RData, wanted: &DnsValue) -> bool {
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).is_ok() && wire.eq_ignore_ascii_case(&wanted.wire)
}

fn rcode_name(rcode: u16) -> Cow<'static, str> {
    match rcode {
        0 => "NOERROR".into(),
        1 => "FORMERR".into(),
        2 => "SERVFAIL".into(),
        3 => "NXDOMAIN".into(),
        4 => "NOTIMP".into(),
        5 => "REFUSED".into(),
        9 => "NOTAUTH".into(),
        other => format!("RCODE{other}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_of(answers: &[(&str, &[u8])], rcode: u16) -> Dns {
        let answers = answers.iter().map(|(text, wire)| DnsValue { text: (*text).to_owned(), wire: wire.to_vec() });
        Dns {
            name: "a.example.".to_owned(),
            name_wire: b"\x01a\x07example\x00".to_vec(),
            rtype: 1,
            rtype_name: "A".to_owned(),
            rcode,
            answers: answers.collect(),
        }
    }

    /// A response with these IPv4 addresses.
    fn response(query: &[u8], rcode: u8, addresses: &[[u8; 4]]) -> Vec<u8> {
        let mut answer = query.to_vec();
        answer[2] |= 0x80;
        answer[3] |= rcode;
        answer[7] = addresses.len() as u8;
        for address in addresses {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address);
        }
        answer
    }

    #[test]
    fn what_answers_a_query() {
        let query = query(0x1234, &check_of(&[], 0));
        let mut good = response(&query, 0, &[]);
        assert!(answers(&good, &query));
        good[13] = b'A';
        assert!(answers(&good, &query));
        good[13] = b'b';
        assert!(!answers(&good, &query));
        assert!(!answers(&query, &query));
        assert!(!answers(&response(&query, 0, &[])[..5], &query));
        let mut other = response(&query, 0, &[]);
        other[0] = 0;
        assert!(!answers(&other, &query));
    }

    #[track_caller]
    fn check(dns: &Dns, rcode: u8, addresses: &[[u8; 4]], expected: Result<&str, &str>) {
        let answer = response(&query(1, dns), rcode, addresses);
        let judged = judge(&answer, dns).map(Cow::into_owned).map_err(|failure| failure.words().to_owned());
        assert_eq!(judged, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn answers_as_judged() {
        check(&check_of(&[], 0), 0, &[[192, 0, 2, 1]], Ok("DNS: one answer"));
        check(&check_of(&[], 0), 0, &[], Ok("DNS: 0 answers"));
        check(&check_of(&[], 0), 2, &[], Err("DNS: SERVFAIL, wanted NOERROR"));
        check(&check_of(&[], 5), 5, &[], Ok("DNS: REFUSED"));
        let wanted = check_of(&[("192.0.2.1", &[192, 0, 2, 1])], 0);
        check(&wanted, 0, &[[192, 0, 2, 9], [192, 0, 2, 1]], Ok("DNS: 2 answers"));
        check(&wanted, 0, &[[192, 0, 2, 9]], Err("DNS: `192.0.2.1` is not in the answer (192.0.2.9)"));
        check(&wanted, 0, &[], Err("DNS: `192.0.2.1` is not in the answer (there is no A)"));
        let broken = judge(&[0; 11], &wanted).unwrap_err();
        assert_eq!(broken.words(), "DNS: the answer cannot be read");
    }
}
