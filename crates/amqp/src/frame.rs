//! Cuts frames out of a stream of bytes and decodes the methods that a client may send.
//!
//! Source: AMQP 0-9-1 §4.2. The size in a frame's header is judged before anything else is done with the frame.
#![deny(clippy::indexing_slicing)]

use amq_protocol::protocol::{AMQPClass, parse_class};
use bytes::{Buf, Bytes, BytesMut};

use crate::table::{self, Field};

/// What opens a connection: `AMQP` 0 0 9 1.
pub(crate) const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";
/// Octets of a frame besides its payload: type, channel and size before it, the end octet after it.
pub(crate) const OVERHEAD: usize = 8;
/// The last octet of each frame.
pub(crate) const END: u8 = 0xCE;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A method and its arguments.
    Method,
    /// Size and properties of a content.
    Header,
    /// A piece of a content.
    Body,
    /// Nothing; it shows that the peer is there.
    Heartbeat,
}

/// A frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) channel: u16,
    pub(crate) payload: Bytes,
}

/// Takes the next frame off `input`; `None` until it is there whole. `max` is the largest frame, overhead included.
///
/// # Errors
/// The explanation for a FRAME_ERROR, after which the stream cannot be read on.
pub(crate) fn next(input: &mut BytesMut, max: usize) -> Result<Option<Frame>, String> {
    let Some((head, _)) = input.split_first_chunk::<7>() else { return Ok(None) };
    let [kind, channel_high, channel_low, size @ ..] = *head;
    let kind = match kind {
        1 => Kind::Method,
        2 => Kind::Header,
        3 => Kind::Body,
        8 => Kind::Heartbeat,
        other => return Err(format!("type {other} is not a type of frame")),
    };
    let channel = u16::from_be_bytes([channel_high, channel_low]);
    let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
    let total = size.saturating_add(OVERHEAD);
    if total > max {
        return Err(format!("a frame of {total} bytes is larger than the maximum of {max}"));
    }
    if kind == Kind::Heartbeat && (channel != 0 || size != 0) {
        return Err("a heartbeat has a channel or a payload".to_owned());
    }
    if input.len() < total {
        return Ok(None);
    }
    input.advance(7);
    let payload = input.split_to(size).freeze();
    if input.get_u8() != END {
        return Err("a frame does not end with the octet 206".to_owned());
    }
    Ok(Some(Frame { kind, channel, payload }))
}

/// Channel and size, overhead included, of the next frame, where that has the content of a method.
pub(crate) fn content(input: &[u8]) -> Option<(u16, usize)> {
    let ([kind, channel_high, channel_low, size @ ..], _) = input.split_first_chunk::<7>()?;
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    let channel = u16::from_be_bytes([*channel_high, *channel_low]);
    (*kind == 3).then_some((channel, size.saturating_add(OVERHEAD)))
}

/// A method from a client. Those on the way of every melding, and those that `amq-protocol` does not show whole, are
/// decoded here.
#[derive(Debug)]
pub(crate) enum Method {
    /// `basic.ack`, `basic.nack` or `basic.reject`.
    Settle {
        /// The delivery tag.
        tag: u64,
        /// Everything up to the tag.
        multiple: bool,
        /// What is said of it.
        verdict: Verdict,
    },
    /// `basic.qos`.
    Qos {
        /// Bytes; not supported by anybody.
        prefetch_size: u32,
        /// Deliveries.
        prefetch_count: u16,
        /// For the channel, not for each of its consumers.
        global: bool,
    },
    /// Any other method.
    Other(Box<AMQPClass>),
}

/// What a client says of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done with.
    Ack,
    /// Dropped.
    Drop,
    /// Back to the queue.
    Requeue,
}

/// Why a method was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// No client may send it.
    Unknown,
    /// Its arguments make no sense.
    Syntax(&'static str),
}

/// Class and method id of a method frame's payload, `(0, 0)` if it is too short for that.
pub(crate) fn ids(payload: &[u8]) -> (u16, u16) {
    match payload.split_first_chunk::<4>() {
        Some((&[a, b, c, d], _)) => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        None => (0, 0),
    }
}

/// Decodes the payload of a method frame.
pub(crate) fn decode(payload: &[u8]) -> Result<Method, DecodeError> {
    const CUT: DecodeError = DecodeError::Syntax("arguments are cut short");
    let (ids, arguments) = (ids(payload), payload.get(4..).ok_or(CUT)?);
    match ids {
        (60, 80 | 90 | 120) => {
            let (tag, flags) = arguments.split_first_chunk().ok_or(CUT)?;
            let &[flags] = flags else { return Err(DecodeError::Syntax("arguments have another length")) };
            let (first, second) = (flags & 1 != 0, flags & 2 != 0);
            let (multiple, requeue) = match ids.1 {
                120 => (first, Some(second)),
                90 => (false, Some(first)),
                _ => (first, None),
            };
            let verdict = match requeue {
                None => Verdict::Ack,
                Some(true) => Verdict::Requeue,
                Some(false) => Verdict::Drop,
            };
            return Ok(Method::Settle { tag: u64::from_be_bytes(*tag), multiple, verdict });
        }
        (60, 10) => {
            let (size, rest) = arguments.split_first_chunk().ok_or(CUT)?;
            let &[high, low, flags] = rest else {
                return Err(DecodeError::Syntax("arguments have another length"));
            };
            return Ok(Method::Qos {
                prefetch_size: u32::from_be_bytes(*size),
                prefetch_count: u16::from_be_bytes([high, low]),
                global: flags & 1 != 0,
            });
        }
        _ => {}
    }
    let fields = up_to_table(ids).ok_or(DecodeError::Unknown)?;
    table::check(arguments, fields).map_err(DecodeError::Syntax)?;
    match parse_class(payload) {
        Ok(([], method)) => Ok(Method::Other(Box::new(method))),
        Ok(_) => Err(DecodeError::Syntax("arguments have another length")),
        Err(_) => Err(DecodeError::Syntax("arguments cannot be read")),
    }
}

/// What stands in the arguments of a method up to its table; nothing if it has none; `None` if clients do not send it.
fn up_to_table(ids: (u16, u16)) -> Option<&'static [Field]> {
    use Field::{Bits, Short, ShortStr, Table};
    Some(match ids {
        // connection.start-ok
        (10, 11) => &[Table],
        // exchange.declare, basic.consume
        (40, 10) | (60, 20) => &[Short, ShortStr, ShortStr, Bits, Table],
        // exchange.bind, exchange.unbind, queue.bind
        (40, 30 | 40) | (50, 20) => &[Short, ShortStr, ShortStr, ShortStr, Bits, Table],
        // queue.declare
        (50, 10) => &[Short, ShortStr, Bits, Table],
        // queue.unbind
        (50, 50) => &[Short, ShortStr, ShortStr, ShortStr, Table],
        // connection.tune-ok, open, close, close-ok, update-secret; channel.open, flow, flow-ok, close, close-ok;
        // access.request; exchange.delete; queue.purge, delete; basic.cancel, cancel-ok, publish, get, recover-async,
        // recover; confirm.select; tx.select, commit, rollback
        (10, 31 | 40 | 50 | 51 | 70)
        | (20, 10 | 20 | 21 | 40 | 41)
        | (30 | 85, 10)
        | (40, 20)
        | (50, 30 | 40)
        | (60, 30 | 31 | 40 | 70 | 100 | 110)
        | (90, 10 | 20 | 30) => &[],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &[u8]) -> BytesMut {
        BytesMut::from(bytes)
    }

    #[test]
    fn frame_is_taken_when_it_is_whole() {
        let bytes = [3, 0, 1, 0, 0, 0, 2, b'h', b'i', END, 8];
        for cut in 0..10 {
            assert!(next(&mut input(bytes.get(..cut).unwrap()), 100).unwrap().is_none(), "{cut}");
        }
        let mut input = input(&bytes);
        let frame = next(&mut input, 100).unwrap().unwrap();
        assert_eq!((frame.kind, frame.channel, &*frame.payload), (Kind::Body, 1, &b"hi"[..]));
        assert_eq!(&*input, [8]);
    }

    #[test]
    fn frame_over_the_limit_is_refused_by_its_header_alone() {
        assert!(next(&mut input(&[1, 0, 0, 0, 0, 0, 93]), 100).is_err());
        assert!(next(&mut input(&[1, 0, 0, 0, 0, 0, 92]), 100).unwrap().is_none());
        assert!(next(&mut input(&[1, 0, 0, 255, 255, 255, 255]), 100).is_err());
    }

    #[test]
    fn wrong_type_wrong_end_and_heartbeat_with_payload_are_refused() {
        for bytes in [&[4, 0, 0, 0, 0, 0, 0, END][..], &[1, 0, 0, 0, 0, 0, 0, 0], &[8, 0, 1, 0, 0, 0, 0, END]]
        {
            assert!(next(&mut input(bytes), 100).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn nack_reads_multiple_and_requeue_from_one_octet() {
        for (flags, multiple, verdict) in [
            (0, false, Verdict::Drop),
            (1, true, Verdict::Drop),
            (2, false, Verdict::Requeue),
            (3, true, Verdict::Requeue),
        ] {
            let payload = [0, 60, 0, 120, 0, 0, 0, 0, 0, 0, 0, 9, flags];
            let Ok(Method::Settle { tag: 9, multiple: m, verdict: v }) = decode(&payload) else {
                panic!("{flags}")
            };
            assert_eq!((m, v), (multiple, verdict));
        }
    }

    #[test]
    fn method_that_only_servers_send_is_unknown() {
        assert_eq!(decode(&[0, 10, 0, 10, 0, 9]).unwrap_err(), DecodeError::Unknown);
        assert_eq!(decode(&[0, 60, 0, 60]).unwrap_err(), DecodeError::Unknown);
    }
}
