//! Writes frames.
//!
//! Deliveries are written by hand: they are the only frames whose number counts. All others go through `amq-protocol`.

use std::fmt::Write as _;

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame};
use amq_protocol::protocol::AMQPClass;
use app::ports::Delivery;
use bytes::{BufMut, Bytes, BytesMut};
use domain::melding::Melding;
use wire::headers;
use wire::id::Uuid;

use crate::frame::{END, OVERHEAD};

/// Longest text that a shortstr holds.
pub(crate) const SHORT_STR_MAX: usize = 255;

/// Writes a method frame.
pub(crate) fn method(out: &mut BytesMut, channel: u16, method: AMQPClass) {
    let frame = AMQPFrame::Method(channel, method);
    let (bytes, _) = gen_frame(&frame)(WriteContext::from(Vec::new()))
        .expect("a Vec takes any method whose texts fit their length octets")
        .into_inner();
    out.extend_from_slice(&bytes);
}

/// Writes a heartbeat.
pub(crate) fn heartbeat(out: &mut BytesMut) {
    out.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, END]);
}

/// What each delivery to a consumer has in common.
#[derive(Debug)]
pub(crate) struct Address {
    /// The consumer tag as shortstr.
    tag: Bytes,
    /// Exchange and routing key as shortstr: the default exchange, and the name of the queue. Clients read the receiving
    /// Konto from the latter.
    source: Bytes,
}

impl Address {
    /// For the consumer `tag` on `queue`. Either is cut to 255 bytes; what comes from a frame is no longer.
    pub(crate) fn new(tag: &str, queue: &str) -> Self {
        let mut tag_bytes = BytesMut::with_capacity(tag.len() + 1);
        put_short_str(&mut tag_bytes, tag.as_bytes());
        let mut source = BytesMut::with_capacity(queue.len() + 2);
        put_short_str(&mut source, b"");
        put_short_str(&mut source, queue.as_bytes());
        Self { tag: tag_bytes.freeze(), source: source.freeze() }
    }
}

/// Writes `basic.deliver` with its content. `frame_max` is the largest frame, overhead included. Writes nothing and gives `false` where
/// the headers do not fit one frame: they cannot be split, and a client breaks off at one that is too large.
#[must_use]
pub(crate) fn delivery(
    out: &mut BytesMut,
    channel: u16,
    frame_max: usize,
    address: &Address,
    delivery_tag: u64,
    delivery: &Delivery,
) -> bool {
    let start = out.len();
    let chunk_max = frame_max.saturating_sub(OVERHEAD).max(1);
    let payload = &delivery.payload;
    // Room for all of it, so that a large payload is copied once.
    out.reserve(1024 + payload.len() + payload.len().div_ceil(chunk_max) * OVERHEAD);

    framed(out, 1, channel, |out| {
        out.put_slice(&[0, 60, 0, 60]);
        out.put_slice(&address.tag);
        out.put_u64(delivery_tag);
        out.put_u8(u8::from(delivery.attempts > 0));
        out.put_slice(&address.source);
    });
    let header_start = out.len();
    framed(out, 2, channel, |out| {
        out.put_slice(&[0, 60, 0, 0]);
        out.put_u64(payload.len() as u64);
        // headers, delivery-mode and expiration
        out.put_u16(1 << 13 | 1 << 12 | 1 << 8);
        sized(out, |out| put_headers(out, &delivery.melding, delivery.attempts));
        out.put_u8(2);
        let at = out.len();
        out.put_u8(0);
        // The TTL as sent, not what is left of it.
        let _ = write!(out, "{}", delivery.melding.ttl.as_millis());
        out[at] = u8::try_from(out.len() - at - 1).expect("a u128 has less than 256 digits");
    });
    if out.len() - header_start > frame_max {
        out.truncate(start);
        return false;
    }
    for chunk in payload.chunks(chunk_max) {
        framed(out, 3, channel, |out| out.put_slice(chunk));
    }
    true
}

/// Headers of a delivery. Each value but the counter is a longstr: the only type that all clients read as text.
fn put_headers(out: &mut BytesMut, melding: &Melding, attempts: u32) {
    put_id(out, headers::MELDING_ID, melding.id.as_uuid());
    put_text(out, &[headers::TYPE], &melding.meldingstype);
    put_id(out, headers::AVSENDER_ID, melding.avsender.as_uuid());
    if let Some(original) = &melding.svar_pa_melding {
        put_id(out, headers::SVAR_TIL, original.as_uuid());
    }
    if let Some(original) = &melding.svar_til_type {
        put_text(out, &[headers::SVAR_TIL_TYPE], original);
    }
    if let Some(dokument) = &melding.dokumentlager_id {
        put_id(out, headers::DOKUMENTLAGER_ID, dokument.as_uuid());
    }
    for (name, value) in &melding.headere {
        put_text(out, &[headers::EGENDEFINERT_PREFIX, name], value);
    }
    if attempts > 0 {
        put_short_str(out, headers::DELIVERY_COUNT.as_bytes());
        out.put_u8(b'l');
        out.put_i64(i64::from(attempts));
    }
}

fn put_id(out: &mut BytesMut, name: &str, id: &Uuid) {
    let mut text = Uuid::encode_buffer();
    put_text(out, &[name], id.hyphenated().encode_lower(&mut text));
}

/// A header whose name comes in parts.
fn put_text(out: &mut BytesMut, name: &[&str], value: &str) {
    let len: usize = name.iter().map(|part| part.len()).sum();
    let (Ok(name_len), Ok(value_len)) = (u8::try_from(len), u32::try_from(value.len())) else {
        // Names are limited when a melding is sent; a header left out is better than a frame that nobody can read.
        tracing::warn!(header.bytes = len, "left out a header whose name is too long for AMQP");
        return;
    };
    out.put_u8(name_len);
    for part in name {
        out.put_slice(part.as_bytes());
    }
    out.put_u8(b'S');
    out.put_u32(value_len);
    out.put_slice(value.as_bytes());
}

fn put_short_str(out: &mut BytesMut, text: &[u8]) {
    let text = &text[..text.len().min(SHORT_STR_MAX)];
    out.put_u8(u8::try_from(text.len()).expect("it was cut to 255"));
    out.put_slice(text);
}

fn framed(out: &mut BytesMut, kind: u8, channel: u16, payload: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    out.put_u16(channel);
    sized(out, payload);
    out.put_u8(END);
}

/// Writes `content` after its length.
fn sized(out: &mut BytesMut, content: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    content(out);
    let len = u32::try_from(out.len() - at - 4).expect("what goes in a frame is shorter than 4 GiB");
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}
