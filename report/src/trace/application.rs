//! The opening handshake of WebSocket, and its frames.

use super::timeline::Timeline;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::count;
use wss_model::trace_result::application::{AcceptDerivation, Application, Frame, HttpHead};

/// A piece of application data.
pub(super) fn application(application: &Application, ladder: &mut Timeline) {
    match application {
        Application::UpgradeRequest(request) => {
            let name = format!("HTTP request, {}", pluralize(request.bytes, "byte"));
            ladder.titled(&name, "asks to make a WebSocket of this connection");
            head(request, ladder);
        }
        Application::UpgradeResponse { head: response, accept } => {
            let name = format!("HTTP response, {}", pluralize(response.bytes, "byte"));
            let is_for = if accept.is_some() { "agreed: what follows are frames" } else { "no WebSocket" };
            ladder.titled(&name, is_for);
            head(response, ladder);
            if let Some(accept) = accept {
                derivation(accept, ladder);
            }
        }
        Application::Frame(frame) => self::frame(frame, ladder),
        Application::Bytes { bytes, preview } => {
            ladder.detail(0, &format!("data, {}: {preview}", pluralize(*bytes, "byte")));
        }
        Application::Fragment { available_bytes } => {
            ladder
                .detail(0, &format!("beginning ({}) of what ends further below", pluralize(*available_bytes, "byte")));
        }
        Application::Unreadable { because } => ladder.detail(0, &format!("no WebSocket frame: {because}")),
    }
}

fn head(head: &HttpHead, ladder: &mut Timeline) {
    for line in &head.lines {
        ladder.detail(1, line);
    }
}

/// Why the accept value is what it is.
fn derivation(accept: &AcceptDerivation, ladder: &mut Timeline) {
    ladder.detail(
        0,
        "The accept value shows that the server understood this request: it is made from the key and a constant.",
    );
    ladder.fact("key", &accept.key);
    ladder.fact("+ constant", &accept.guid);
    ladder.fact("SHA-1", &accept.sha1);
    let verdict = match &accept.received {
        Some(received) if *received == accept.expected => ", as it was received".to_owned(),
        Some(received) => format!(", but Sec-WebSocket-Accept is {received}"),
        None => ", but there is no Sec-WebSocket-Accept".to_owned(),
    };
    ladder.fact("in base64", &format!("{}{verdict}", accept.expected));
}

fn frame(frame: &Frame, ladder: &mut Timeline) {
    let Frame { opcode, fin, masking_key, header_bytes, payload_bytes, preview, .. } = frame;
    let bits = format!("FIN {}, MASK {}", u8::from(*fin), u8::from(masking_key.is_some()));
    let sizes = format!("{} of header and {} of payload", pluralize(*header_bytes, "byte"), count(*payload_bytes));
    ladder.detail(0, &format!("WebSocket {opcode} frame, {bits}, {sizes}"));
    ladder.fact("header", &header(frame));
    if let Some(key) = masking_key {
        let why = ladder.once("; a client masks so that no proxy on the way takes what it sends for HTTP");
        ladder.fact("masking key", &format!("{key}, new for each frame{why}"));
        let more = if *payload_bytes > frame.on_the_wire.len() as u64 / 2 { " …" } else { "" };
        ladder.fact("sent as", &format!("{}{more}", frame.on_the_wire));
    }
    match (opcode.as_str(), frame.close_code) {
        ("close", Some(code)) => {
            ladder.fact("code", &format!("{code}{}", close_code_is(code)));
            ladder.fact("reason", preview);
        }
        ("close", None) => ladder.fact("code", "none"),
        _ => ladder.fact("payload", preview),
    }
}

/// The bytes of a header, each with what it says.
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
const fn close_code_is(code: u16) -> &'static str {
    match code {
        1000 => ", normal closure",
        1001 => ", going away",
        1002 => ", protocol error",
        1003 => ", unsupported data",
        1007 => ", data that is not what its type says",
        1008 => ", policy violation",
        1009 => ", message too big",
        1011 => ", internal error",
        _ => "",
    }
}
