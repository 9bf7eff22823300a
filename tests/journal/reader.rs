//! A reader of frame streams and of protobuf's wire format, by their specifications and without our code or its crates.

use std::io::{Read, Write};

/// A frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Its type and the content it names.
    Control(u32, Vec<u8>),
    Data(Vec<u8>),
}

/// The next frame; `None` at the end.
pub(crate) fn frame(from: &mut impl Read) -> Option<Frame> {
    let mut number = || {
        let mut octets = [0; 4];
        from.read_exact(&mut octets).ok().map(|()| u32::from_be_bytes(octets))
    };
    let length = number()?;
    if length > 0 {
        let mut data = vec![0; length as usize];
        from.read_exact(&mut data).unwrap();
        return Some(Frame::Data(data));
    }
    let (length, kind) = (number().unwrap(), number().unwrap());
    let mut fields = vec![0; length as usize - 4];
    from.read_exact(&mut fields).unwrap();
    if let [0, 0, 0, 1, _, _, _, _, content @ ..] = &fields[..] {
        return Some(Frame::Control(kind, content.to_vec()));
    }
    assert!(fields.is_empty());
    Some(Frame::Control(kind, fields))
}

/// Every frame.
pub(crate) fn frames(from: &mut impl Read) -> Vec<Frame> {
    std::iter::from_fn(|| frame(from)).collect()
}

/// Says a control frame, with a content where it has one.
pub(crate) fn say(to: &mut impl Write, kind: u32, content: &[u8]) {
    let mut body = kind.to_be_bytes().to_vec();
    if !content.is_empty() {
        body.extend([0, 0, 0, 1]);
        body.extend((content.len() as u32).to_be_bytes());
        body.extend(content);
    }
    let octets = [&[0; 4][..], &(body.len() as u32).to_be_bytes(), &body].concat();
    to.write_all(&octets).unwrap();
}

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Octets(Vec<u8>),
}

/// The fields of a protobuf message, in the order they come: number and value.
pub(crate) fn fields(mut message: &[u8]) -> Vec<(u64, Value)> {
    fn varint(from: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (octet, rest) = from.split_first().unwrap();
            *from = rest;
            value |= u64::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return value;
            }
        }
        unreachable!()
    }
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)),
            2 => {
                let length = varint(&mut message) as usize;
                let (octets, rest) = message.split_at(length);
                message = rest;
                Value::Octets(octets.to_vec())
            }
            5 => {
                let (octets, rest) = message.split_first_chunk::<4>().unwrap();
                message = rest;
                Value::Number(u32::from_le_bytes(*octets).into())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}
