//! The rules about `--mode subscribe`, about `serve --publish`, and about replies that are found by an id.

use crate::config::conflicts::Fact::{ById, ExpectsEcho, Given, NamedServer, NoWebSocket, Subscribes};
use crate::config::conflicts::{Relation, Rule, Subject};

pub(super) const WITHOUT_WEBSOCKET: Rule = Rule {
    code: "subscribe_without_websocket",
    subject: Subject::Any(&[Subscribes]),
    relation: Relation::Excludes(&[NoWebSocket]),
    when: &[],
    problem: "--mode subscribe requires WebSocket, but the layer is {layer}",
    cure: "use the layer wss or ws",
    reason: "Without WebSocket there are only bytes, not messages.",
};

pub(super) const WITHOUT_EFFECT: Rule = Rule {
    code: "replies_of_subscription",
    subject: Subject::Any(&[
        Given("in_flight"),
        Given("arrivals"),
        Given("correlate"),
        Given("no_first_echo"),
        Given("server_closes"),
    ]),
    relation: Relation::Excludes(&[Subscribes]),
    when: &[],
    problem: "{option} has no effect with --mode subscribe",
    cure: "remove {option}",
    reason: "A subscription is one message at most, and the server sets the pace of what follows.",
};

pub(super) const IN_TIME_SLICES: Rule = Rule {
    code: "subscribe_in_time_slices",
    subject: Subject::Any(&[Given("time_slice")]),
    relation: Relation::Excludes(&[Subscribes]),
    when: &[],
    problem: "--mode subscribe cannot run in time slices",
    cure: "use --interleave off",
    reason: "The server publishes outside the slices of a run as well.",
};

pub(super) const PACE_OF_NAMED_SERVER: Rule = Rule {
    code: "pace_of_subscription",
    subject: Subject::Any(&[Given("rate"), Given("size")]),
    relation: Relation::Excludes(&[NamedServer]),
    when: &[Subscribes],
    problem: "{option} has no effect with --mode subscribe and a URL or --server",
    cure: "remove {option}; `wssbench serve` has --publish and --publish-size",
    reason: "Only the embedded server can be asked to publish at a rate.",
};

pub(super) const EXPECT_ECHO: Rule = Rule {
    code: "echo_of_subscription",
    subject: Subject::Any(&[ExpectsEcho]),
    relation: Relation::Excludes(&[Subscribes]),
    when: &[],
    problem: "--expect echo cannot be used with --mode subscribe",
    cure: "use any, contains:TEXT, json:PATH=VALUE or length:SIZE",
    reason: "What a server publishes is not the echo of a message.",
};

pub(super) const PUBLISH_WITHOUT_WEBSOCKET: Rule = Rule {
    code: "publish_without_websocket",
    subject: Subject::Any(&[Given("publish")]),
    relation: Relation::Excludes(&[NoWebSocket]),
    when: &[],
    problem: "{option} requires WebSocket, but the layer is {layer}",
    cure: "use --layer wss or ws",
    reason: "Without WebSocket there are only bytes, not messages.",
};

pub(super) const PUBLISH_OPTION_WITHOUT_PUBLISH: Rule = Rule {
    code: "publish_option_without_publish",
    subject: Subject::Any(&[Given("publish_size"), Given("publish_at_once")]),
    relation: Relation::Requires(&[Given("publish")]),
    when: &[],
    problem: "{option} has no effect without --publish",
    cure: "add --publish RATE, or remove {option}",
    reason: "Without --publish the server echoes.",
};

pub(super) const ID_WITHOUT_MESSAGE: Rule = Rule {
    code: "id_without_message",
    subject: Subject::Any(&[ById]),
    relation: Relation::Requires(&[Given("message")]),
    when: &[],
    problem: "--correlate json:PATH requires a --message with an id",
    cure: "add --message, or remove --correlate",
    reason: "Random bytes have no id that a reply could repeat.",
};

pub(super) const IGNORE_WITHOUT_ID: Rule = Rule {
    code: "ignore_without_id",
    subject: Subject::Any(&[Given("ignore_unsolicited"), Given("ignore_repeated")]),
    relation: Relation::Requires(&[ById]),
    when: &[],
    problem: "{option} requires --correlate json:PATH",
    cure: "add --correlate, or remove {option}",
    reason: "Only an id reveals which messages are replies.",
};
