//! Messages out of a byte stream: two octets of length, then the message (RFC 1035 §4.2.2).
//!
//! Pure: knows nothing of sockets. A message that is empty or longer than [`MAX_REQUEST`] does not disturb those
//! behind it (RFC 7766 §8 asks for framing that does not depend on how segments were cut).

use super::engine::MAX_REQUEST;

/// Octets of the buffer of a client that fills it: the longest message with its length, and as much again, so that a client that
/// pipelines is read with few calls.
const CAPACITY: usize = 2 * (MAX_REQUEST + 2);
/// Octets of the buffer of every other client. Most send one message and go: to clear and free eight times as much took as long
/// as to answer them.
const FIRST: usize = 1_000;

/// The read side of one connection.
pub(super) struct Frames {
    buffer: Vec<u8>,
    /// Octets before this are done with.
    start: usize,
    /// Octets up to this were read.
    end: usize,
    /// Octets still to come of a message that is too long.
    skip: usize,
}

/// The next thing in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A whole message of 0 to [`MAX_REQUEST`] octets, without its length.
    Message(&'a [u8]),
    /// A message that is too long begins; it will be skipped.
    Long,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; FIRST], start: 0, end: 0, skip: 0 }
    }

    /// Where the next octets read go. Never empty once [`Frames::next`] has returned `None`.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.end == self.buffer.len() {
            self.buffer.resize(CAPACITY, 0);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// `count` octets were read into [`Frames::space`].
    pub(super) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// Whether there is nothing, not even a part of a message.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The next whole message, or `None` until more is read.
    pub(super) fn next(&mut self) -> Option<Frame<'_>> {
        let skipped = self.skip.min(self.end - self.start);
        self.start += skipped;
        self.skip -= skipped;
        let &[high, low, ref rest @ ..] = &self.buffer[self.start..self.end] else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_REQUEST {
            self.start += 2;
            self.skip = length;
            return Some(Frame::Long);
        }
        if rest.len() < length {
            return None;
        }
        let begin = self.start + 2;
        self.start = begin + length;
        Some(Frame::Message(&self.buffer[begin..begin + length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a reader with the whole stream at hand sees: `None` for a message that is too long.
    fn oracle(mut stream: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut messages = Vec::new();
        while stream.len() >= 2 {
            let length = usize::from(u16::from_be_bytes([stream[0], stream[1]]));
            stream = &stream[2..];
            if length > MAX_REQUEST {
                messages.push(None);
            } else if stream.len() >= length {
                messages.push(Some(stream[..length].to_vec()));
            } else {
                break;
            }
            stream = &stream[length.min(stream.len())..];
        }
        messages
    }

    fn read(stream: &[u8], cuts: &[usize]) -> Vec<Option<Vec<u8>>> {
        let (mut frames, mut messages, mut at) = (Frames::new(), Vec::new(), 0);
        let mut cuts = cuts.iter().cycle();
        while at < stream.len() {
            let space = frames.space();
            assert!(!space.is_empty(), "no space at {at}");
            let count = (*cuts.next().unwrap()).min(space.len()).min(stream.len() - at);
            space[..count].copy_from_slice(&stream[at..at + count]);
            frames.filled(count);
            at += count;
            while let Some(frame) = frames.next() {
                messages.push(match frame {
                    Frame::Message(message) => Some(message.to_vec()),
                    Frame::Long => None,
                });
            }
        }
        messages
    }

    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = (length as u16).to_be_bytes().to_vec();
        bytes.extend((0..length).map(|i| i as u8));
        bytes
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_messages_are_the_same(
            lengths in prop::collection::vec(prop_oneof![0..64usize, 4_000..4_200usize, Just(65_535)], 1..20),
            cuts in prop::collection::vec(1..5_000usize, 1..20),
            lost in 0..10usize,
        ) {
            let mut stream: Vec<u8> = lengths.into_iter().flat_map(frame).collect();
            stream.truncate(stream.len().saturating_sub(lost));
            prop_assert_eq!(read(&stream, &cuts), oracle(&stream));
        }
    }

    #[test]
    fn one_octet_at_a_time_and_the_longest_message() {
        let stream: Vec<u8> = [0, MAX_REQUEST, 1, MAX_REQUEST + 1, 12].into_iter().flat_map(frame).collect();
        assert_eq!(read(&stream, &[1]), oracle(&stream));
        let lengths: Vec<_> = oracle(&stream).into_iter().map(|m| m.map(|m| m.len())).collect();
        assert_eq!(lengths, [Some(0), Some(MAX_REQUEST), Some(1), None, Some(12)]);
    }
}
