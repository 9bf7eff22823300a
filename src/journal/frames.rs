//! Frame Streams (fstrm), by which dnstap goes: data frames between control frames, to a file one way, to a socket after a word
//! with its reader. <https://farsightsec.github.io/fstrm/>

use std::io::{self, Read, Write};

/// What the frames hold.
pub(super) const CONTENT: &[u8] = b"protobuf:dnstap.Dnstap";
/// Octets of the longest control frame (`FSTRM_CONTROL_FRAME_LENGTH_MAX`).
const MAX_CONTROL: usize = 512;
/// The one field of control frames.
const FIELD_CONTENT_TYPE: u32 = 1;

/// A control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Control {
    /// The reader takes one of the contents offered.
    Accept = 1,
    /// Data follows.
    Start = 2,
    /// That was all.
    Stop = 3,
    /// What the writer has.
    Ready = 4,
    /// The reader has it all.
    Finish = 5,
}

impl Control {
    /// Its octets: an escape (a data frame of no length), its length, its type, and with what begins a stream the content.
    pub(super) fn octets(self) -> Vec<u8> {
        let content: &[u8] = match self {
            Self::Accept | Self::Start | Self::Ready => CONTENT,
            Self::Stop | Self::Finish => &[],
        };
        let mut body = (self as u32).to_be_bytes().to_vec();
        if !content.is_empty() {
            body.extend(FIELD_CONTENT_TYPE.to_be_bytes());
            body.extend((content.len() as u32).to_be_bytes());
            body.extend(content);
        }
        [&0u32.to_be_bytes()[..], &(body.len() as u32).to_be_bytes(), &body].concat()
    }
}

/// Adds a data frame.
pub(super) fn put(octets: &mut Vec<u8>, data: &[u8]) {
    octets.extend((data.len() as u32).to_be_bytes());
    octets.extend(data);
}

/// Greets a reader: READY, then its ACCEPT, then START.
pub(super) fn greet(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&Control::Ready.octets())?;
    let accept = read_control(stream, Control::Accept)?;
    // Its content types, of which one must be ours; a reader that names none takes any.
    let mut fields = &accept[..];
    let mut named = false;
    while let Some((head, rest)) = fields.split_first_chunk::<8>() {
        let [t0, t1, t2, t3, l0, l1, l2, l3] = *head;
        let (kind, length) = (u32::from_be_bytes([t0, t1, t2, t3]), u32::from_be_bytes([l0, l1, l2, l3]));
        let Some((value, rest)) = rest.split_at_checked(length as usize) else {
            return Err(odd("a field runs out of it"));
        };
        if kind == FIELD_CONTENT_TYPE {
            if value == CONTENT {
                return stream.write_all(&Control::Start.octets());
            }
            named = true;
        }
        fields = rest;
    }
    if named {
        return Err(odd("it takes other contents than dnstap"));
    }
    stream.write_all(&Control::Start.octets())
}

/// Takes leave of a reader: STOP, then its FINISH.
pub(super) fn leave(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&Control::Stop.octets())?;
    read_control(stream, Control::Finish).map(|_| ())
}

/// Reads a control frame of this type; its fields.
fn read_control(stream: &mut impl Read, expected: Control) -> io::Result<Vec<u8>> {
    let mut number = || -> io::Result<u32> {
        let mut octets = [0; 4];
        stream.read_exact(&mut octets)?;
        Ok(u32::from_be_bytes(octets))
    };
    let (escape, length, kind) = (number()?, number()? as usize, number()?);
    if escape != 0 || !(4..=MAX_CONTROL).contains(&length) {
        return Err(odd("that is no control frame"));
    }
    let mut fields = vec![0; length - 4];
    stream.read_exact(&mut fields)?;
    if kind == expected as u32 { Ok(fields) } else { Err(odd("that is another control frame than expected")) }
}

fn odd(words: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of whom is known beforehand what it says.
    struct Peer {
        says: io::Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Peer {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.says.read(into)
        }
    }

    impl Write for Peer {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.heard.write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(says: &[u8], expected: Result<(), &str>) {
        let mut peer = Peer { says: io::Cursor::new(says.to_vec()), heard: Vec::new() };
        let result = greet(&mut peer).map_err(|error| error.to_string());
        assert_eq!(result, expected.map_err(str::to_owned));
        let start = if expected.is_ok() { Control::Start.octets() } else { Vec::new() };
        assert_eq!(peer.heard, [Control::Ready.octets(), start].concat());
    }

    #[test]
    fn control_frames_are_as_they_are_specified() {
        assert_eq!(Control::Stop.octets(), [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3]);
        let start = Control::Start.octets();
        assert_eq!(start[..20], [0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 22]);
        assert_eq!(&start[20..], b"protobuf:dnstap.Dnstap");
    }

    #[test]
    fn readers_are_greeted_and_heard() {
        check(&Control::Accept.octets(), Ok(()));
        // One that names no content.
        check(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1], Ok(()));
        let mut other = Control::Accept.octets();
        *other.last_mut().unwrap() = b'q';
        check(&other, Err("it takes other contents than dnstap"));
        check(&Control::Finish.octets(), Err("that is another control frame than expected"));
        check(&[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1], Err("that is no control frame"));
        check(&[0, 0, 0, 0, 0xff, 0, 0, 4, 0, 0, 0, 1], Err("that is no control frame"));
        check(&[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1], Err("that is no control frame"));
        check(&[0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9], Err("a field runs out of it"));
        check(&[], Err("failed to fill whole buffer"));
    }

    #[test]
    fn leaving_waits_for_the_reader() {
        let mut peer = Peer { says: io::Cursor::new(Control::Finish.octets()), heard: Vec::new() };
        leave(&mut peer).unwrap();
        assert_eq!(peer.heard, Control::Stop.octets());
    }
}
