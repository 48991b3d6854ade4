//! The WebSocket opening handshake and frames in the timeline.

use super::timeline::Timeline;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::count;
use wss_model::trace_result::application::{AcceptDerivation, Application, Frame, HttpHead};

/// A piece of application data.
pub(super) fn application(application: &Application, timeline: &mut Timeline) {
    match application {
        Application::UpgradeRequest(request) => {
            let name = format!("HTTP request, {}", pluralize(request.bytes, "byte"));
            timeline.titled(&name, "asks to turn this connection into a WebSocket");
            head(request, timeline);
        }
        Application::UpgradeResponse { head: response, accept } => {
            let name = format!("HTTP response, {}", pluralize(response.bytes, "byte"));
            let purpose = if accept.is_some() { "accepted: WebSocket frames follow" } else { "not a WebSocket" };
            timeline.titled(&name, purpose);
            head(response, timeline);
            if let Some(accept) = accept {
                derivation(accept, timeline);
            }
        }
        Application::Frame(frame) => self::frame(frame, timeline),
        Application::Bytes { bytes, preview } => {
            timeline.detail(0, &format!("data, {}: {preview}", pluralize(*bytes, "byte")));
        }
        Application::Fragment { available_bytes } => {
            timeline
                .detail(0, &format!("start ({}) of data that ends further below", pluralize(*available_bytes, "byte")));
        }
        Application::Unreadable { because } => timeline.detail(0, &format!("not a WebSocket frame: {because}")),
    }
}

fn head(head: &HttpHead, timeline: &mut Timeline) {
    for line in &head.lines {
        timeline.detail(1, line);
    }
}

/// How the accept value follows from the key.
fn derivation(accept: &AcceptDerivation, timeline: &mut Timeline) {
    timeline.detail(
        0,
        "The accept value proves that the server understood the request: it is derived from the key and a constant.",
    );
    timeline.fact("key", &accept.key);
    timeline.fact("+ constant", &accept.guid);
    timeline.fact("SHA-1", &accept.sha1);
    let verdict = match &accept.received {
        Some(received) if *received == accept.expected => ", as received".to_owned(),
        Some(received) => format!(", but Sec-WebSocket-Accept was {received}"),
        None => ", but Sec-WebSocket-Accept is missing".to_owned(),
    };
    timeline.fact("in base64", &format!("{}{verdict}", accept.expected));
}

fn frame(frame: &Frame, timeline: &mut Timeline) {
    let Frame { opcode, fin, masking_key, header_bytes, payload_bytes, preview, .. } = frame;
    let bits = format!("FIN {}, MASK {}", u8::from(*fin), u8::from(masking_key.is_some()));
    let sizes = format!("{} of header and {} of payload", pluralize(*header_bytes, "byte"), count(*payload_bytes));
    timeline.detail(0, &format!("WebSocket {opcode} frame, {bits}, {sizes}"));
    timeline.fact("header", &header(frame));
    if let Some(key) = masking_key {
        let why = timeline.once("; clients mask their frames so that no proxy on the path mistakes them for HTTP");
        timeline.fact("masking key", &format!("{key}, new for each frame{why}"));
        let more = if *payload_bytes > frame.on_the_wire.len() as u64 / 2 { " …" } else { "" };
        timeline.fact("sent as", &format!("{}{more}", frame.on_the_wire));
    }
    match (opcode.as_str(), frame.close_code) {
        ("close", Some(code)) => {
            timeline.fact("code", &format!("{code}{}", close_code_meaning(code)));
            timeline.fact("reason", preview);
        }
        ("close", None) => timeline.fact("code", "none"),
        _ => timeline.fact("payload", preview),
    }
}

/// The bytes of a header, each with its meaning.
fn header(frame: &Frame) -> String {
    let Frame { opcode, fin, reserved_bits, masking_key, payload_bytes, header, .. } = frame;
    let (Some(first), Some(second)) = (header.get(..2), header.get(2..4)) else { return header.clone() };
    let fin = if *fin { "FIN, " } else { "" };
    let reserved = if *reserved_bits == 0 { "" } else { "reserved bits, " };
    let mask = if masking_key.is_some() { "MASK, " } else { "" };
    let mask_digits = masking_key.as_ref().map_or(0, String::len);
    let long = header.get(4..header.len().saturating_sub(mask_digits)).unwrap_or_default();
    let length = match long.len() {
        0 => format!("length {payload_bytes}"),
        digits => format!("length in the next {} bytes), {long} ({payload_bytes}", digits / 2),
    };
    format!("{first} ({fin}{reserved}opcode {opcode}), {second} ({mask}{length})")
}

/// RFC 6455 section 7.4.1.
const fn close_code_meaning(code: u16) -> &'static str {
    match code {
        1000 => ", normal closure",
        1001 => ", going away",
        1002 => ", protocol error",
        1003 => ", unsupported data",
        1007 => ", data does not match the message type",
        1008 => ", policy violation",
        1009 => ", message too big",
        1011 => ", internal error",
        _ => "",
    }
}
