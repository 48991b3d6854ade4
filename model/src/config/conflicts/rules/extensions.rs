//! The rules about WebSockets over HTTP/2, and about compression.

use super::REMOVE_ONE;
use crate::config::conflicts::Fact::{AlpnHttp2, Given, NoWebSocket};
use crate::config::conflicts::{Relation, Rule, Subject};

pub(super) const DEFLATE_OPTION_WITHOUT_DEFLATE: Rule = Rule {
    code: "deflate_options_without_deflate",
    subject: Subject::Any(&[
        Given("deflate_window_bits"),
        Given("deflate_no_context_takeover"),
        Given("deflate_level"),
    ]),
    relation: Relation::Requires(&[Given("deflate")]),
    when: &[],
    problem: "{option} has no effect without --deflate",
    cure: "add --deflate, or remove {option}",
    reason: "Without --deflate no message is compressed.",
};

pub(super) const ALPN_HTTP2: Rule = Rule {
    code: "alpn_http2",
    subject: Subject::Any(&[AlpnHttp2]),
    relation: Relation::Requires(&[NoWebSocket]),
    when: &[],
    problem: "--alpn h2 negotiates HTTP/2, but the WebSocket upgrade of RFC 6455 is HTTP/1.1",
    cure: "use --http 2 instead of --alpn h2",
    reason: "--http 2 negotiates HTTP/2 and opens WebSockets as RFC 8441 describes.",
};

pub(super) const NOT_WITH_HTTP2: Rule = Rule {
    code: "not_with_http2",
    subject: Subject::Any(&[Given("alpn"), Given("early_data")]),
    relation: Relation::Excludes(&[Given("http")]),
    when: &[],
    problem: "{option} cannot be combined with --http 2",
    cure: REMOVE_ONE,
    reason: "HTTP/2 offers h2 by ALPN itself, and its request has to wait for the settings of the server.",
};
