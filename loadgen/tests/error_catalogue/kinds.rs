//! Codes in results: phases and kinds of errors, and reasons why a result is not valid.

use std::fmt::Write;

use schemars::JsonSchema;
use wss_model::{ErrorKind, ErrorPhase, ReasonCode};

use crate::cell;

pub(crate) fn sections(text: &mut String) {
    text.push_str("\n## Phases of errors\n\n`errors[].phase` of a run.\n\n| code | meaning |\n| --- | --- |\n");
    for phase in ErrorPhase::ALL {
        writeln!(text, "| `{phase}` | {} |", meaning::<ErrorPhase>(phase.name())).unwrap();
    }
    text.push_str(
        "\n## Kinds of errors\n\n`errors[].kind` of a run; `errors[].example` is the text of the first one.\n\n",
    );
    text.push_str("| code | cause | cure |\n| --- | --- | --- |\n");
    for kind in ErrorKind::ALL {
        writeln!(text, "| `{kind}` | {} | {} |", meaning::<ErrorKind>(kind.name()), cell(cure_of_error(*kind)))
            .unwrap();
    }
    text.push_str("\n## Reasons\n\n`invalid_because[].code` of a result; `text` has the figures.\n\n");
    text.push_str("| code | cause | cure |\n| --- | --- | --- |\n");
    for code in ReasonCode::ALL {
        writeln!(text, "| `{code}` | {} | {} |", meaning::<ReasonCode>(code.name()), cell(cure_of_reason(*code)))
            .unwrap();
    }
}

/// The description of a value in the schema of its type.
fn meaning<T: JsonSchema>(value: &str) -> String {
    let schema = wss_model::schema::of::<T>();
    let values = schema["oneOf"].as_array().unwrap();
    let known = values.iter().find(|known| known["const"] == value).unwrap();
    cell(known["description"].as_str().unwrap())
}

fn cure_of_error(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused => "Start the server, or correct the port of the URL.",
        ErrorKind::ProxyRefused => "Allow the host and port of the URL in the proxy, or give --proxy-auth-file.",
        ErrorKind::NoPorts => "Widen `net.ipv4.ip_local_port_range`, or open fewer connections.",
        ErrorKind::Unreachable => "Correct the address, or the routes of this machine.",
        ErrorKind::Reset => "See the log of the server; it may be overloaded or limit connections.",
        ErrorKind::Timeout => "Lower the load, or raise the timeout of the phase.",
        ErrorKind::Failed => {
            "The operating system's message gives the reason; check the network and the log of the peer."
        }
        ErrorKind::Certificate => "Give the CA with --ca FILE, or accept any certificate with --insecure.",
        ErrorKind::CertificateName => "Give the name in the certificate with --server-name.",
        ErrorKind::Alert => "Change the option that the text names; if it names none, see the log of the peer.",
        ErrorKind::NotTls => "Use ws:// or tcp://, or the TLS port of the server.",
        ErrorKind::Protocol => "Compare the TLS options of both ends.",
        ErrorKind::Truncated => "The server must send close_notify; see its log for crashes.",
        ErrorKind::NotAsRequested => "Change the option, or configure the server to negotiate the requested value.",
        ErrorKind::NotResumed => "Enable resumption on the server, or enlarge its session cache; see --resume-by.",
        ErrorKind::EarlyDataRefused => "Enable early data on the server, or remove --early-data.",
        ErrorKind::InvalidRequest => "Correct the path of the URL, or --subprotocol.",
        ErrorKind::Status => "Check the path of the URL, or see the log of the server.",
        ErrorKind::NoUpgrade | ErrorKind::NoConnectionUpgrade => "Look for a proxy that removes the header.",
        ErrorKind::BadAccept => "Look for a cache or proxy that answers in place of the server.",
        ErrorKind::UnexpectedExtension => "Disable the extension on the server.",
        ErrorKind::ExtensionParameters => {
            "Remove --deflate-window-bits or --deflate-no-context-takeover, whichever the text names."
        }
        ErrorKind::NoExtension => "Enable permessage-deflate on the server, or remove --deflate.",
        ErrorKind::UnexpectedSubprotocol => "Offer it with --subprotocol, or disable it on the server.",
        ErrorKind::NoSubprotocol => "Offer a subprotocol that the server supports, or remove --subprotocol.",
        ErrorKind::HeadTooLarge => "Check the port of the URL, or raise --max-head-size.",
        ErrorKind::SpeaksTls => "Use wss://, or the port of the server without TLS.",
        ErrorKind::OnlyHttp2 => "Add --http 2.",
        ErrorKind::NotHttp2 => "Enable HTTP/2 on the server, or remove --http 2.",
        ErrorKind::NoExtendedConnect => "Enable the extended CONNECT protocol on the server, or remove --http 2.",
        ErrorKind::StreamReset | ErrorKind::GoAway => "See the log of the server; the text names the error code.",
        ErrorKind::Http2Violation => "Fix the server, or remove --http 2.",
        ErrorKind::Malformed => "Check that the URL names a WebSocket endpoint.",
        ErrorKind::Eof => "See the log of the server.",
        ErrorKind::Io => "The operating system's message gives the reason; check the network and the log of the peer.",
        ErrorKind::Violation => "Fix the server; the text names the rule.",
        ErrorKind::Closed => "See the log of the server; it may limit time or messages per connection.",
        ErrorKind::ClosedHere => "The connection had failed before; see the other errors.",
        ErrorKind::Mismatch => "Check the path of the URL; if the server does not echo, set --expect.",
        ErrorKind::Unexpected => {
            "The server must send nothing but echoes; see --correlate and --ignore-unsolicited for other protocols."
        }
        ErrorKind::Lost => "See the log of the publisher, and of what is between it and the generator.",
        ErrorKind::Duplicated => "Look for a proxy or broker that repeats messages.",
        ErrorKind::Reordered => "Look for a proxy or broker that sends messages out of order.",
        ErrorKind::ConnectionLost => "See the errors of the connection that failed.",
        ErrorKind::NotSent => "Lower --rate, or raise --overdue-timeout.",
        ErrorKind::ServerExited => "See the messages of the server on standard error.",
        ErrorKind::ServerLost => "Check that the server still runs, and that --server-stats names its endpoint.",
    }
}

fn cure_of_reason(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::Interrupted => "Repeat the run.",
        ReasonCode::NothingCompleted => "See the errors; run longer.",
        ReasonCode::TooFewSamples => "Measure for longer (--duration), or raise the rate.",
        ReasonCode::Errors | ReasonCode::WarmupErrors => "See the kinds of errors above.",
        ReasonCode::GeneratorCpu => "Lower --rate, or reserve CPUs for the generator (--client-cpus).",
        ReasonCode::GeneratorLate => "Lower --rate, or reserve CPUs for the generator (--client-cpus).",
        ReasonCode::GeneratorShare => "Lower --rate, or reserve CPUs for the generator (--client-cpus).",
        ReasonCode::RateNotAchieved => "Lower --rate or --connect-rate.",
        ReasonCode::OutOfRange => "Lower the timeouts, so that no sample exceeds the range of the histogram.",
        ReasonCode::EndsDisagree => "Check that no other client uses the server.",
        ReasonCode::ServerUnproven => "Give the admin endpoint of the server under test to --server-stats.",
        ReasonCode::ServerShared => "Measure a server that nobody else uses.",
        ReasonCode::GeneratorStalled => "Repeat the run while nothing stops its processes.",
        ReasonCode::GeneratorDescheduled | ReasonCode::ServerDescheduled => {
            "Stop other load on the machine, or give each end CPUs of its own (--client-cpus, --server-cpus)."
        }
        ReasonCode::Suspended => "Repeat the run while the machine stays awake.",
        ReasonCode::CgroupThrottled => "Raise the CPU quota of the control group (cpu.max).",
        ReasonCode::CgroupFrozen => "Repeat the run while nothing freezes the control group.",
        ReasonCode::Steal => "Use a machine with dedicated CPUs, or repeat the run.",
        ReasonCode::NoResult => "See the error of the trial.",
        ReasonCode::TrialsFailed | ReasonCode::TrialsInvalid => "See the reasons of the trials.",
        ReasonCode::Incomplete => "Repeat the comparison or sweep; a sweep can be continued with sweep --resume-from.",
        ReasonCode::BlocksDropped => "Use a quieter machine, or more blocks.",
        ReasonCode::ArmsDisagree => {
            "Set --tls, --suite and --group explicitly in both arms, so that both negotiate the same values."
        }
    }
}
