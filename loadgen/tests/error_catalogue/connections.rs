//! Errors of engines, targets and connections.

use std::io;

use rustls::AlertDescription;
use tokio::io::AsyncWriteExt;
use wss_model::EngineKind;
use wss_model::config::ProxyKind;
use wss_wire::engine::EngineError;
use wss_wire::target::{Target, TargetError};
use wss_wire::tls::{CertificateProblem, TlsFailure};
use wss_wire::tunnel::{Tunnel, TunnelEnd, TunnelError};
use wss_wire::upgrade::{ClientUpgrade, RefusalStatus, UpgradeError, UpgradeRefusal, read_response};
use wss_wire::websocket::{Violation, WebSocketError};

use crate::{Entry, printed};

fn refused() -> io::Error {
    io::Error::from_raw_os_error(1)
}

fn reset() -> io::Error {
    io::Error::from_raw_os_error(104)
}

pub(crate) fn engines() -> Vec<Entry> {
    let errors = [
        EngineError::UringRefused { cause: refused(), disabled: "2".to_owned(), since: "6.1" },
        EngineError::NoMemory { engine: EngineKind::Uring, cause: io::Error::from_raw_os_error(12) },
        EngineError::Setup { engine: EngineKind::Epoll, cause: io::Error::from_raw_os_error(24) },
    ];
    errors.into_iter().map(engine).collect()
}

fn engine(error: EngineError) -> Entry {
    let (code, cause, cure) = match error {
        EngineError::UringRefused { .. } => (
            "uring_refused",
            "io_uring is disabled by sysctl, seccomp or an old kernel.",
            "Enable it (`sysctl kernel.io_uring_disabled=0`, seccomp profile of the container), or use --engine epoll.",
        ),
        EngineError::NoMemory { .. } => (
            "no_memory",
            "The memory of a ring counts towards the limit of locked memory.",
            "Raise RLIMIT_MEMLOCK, or use --engine epoll.",
        ),
        EngineError::Setup { .. } => (
            "setup",
            "The kernel refused a system call at start.",
            "See the operating system's message; for `Too many open files`, raise `ulimit -n`.",
        ),
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn targets() -> Vec<Entry> {
    let unresolved = TargetError::Unresolved {
        host: "no-such-host.invalid".to_owned(),
        reason: "Name or service not known".to_owned(),
    };
    let mut errors: Vec<TargetError> =
        ["127.0.0.1:8443", "https://127.0.0.1/", "tls://127.0.0.1"].map(|url| Target::parse(url).unwrap_err()).into();
    errors.push(unresolved);
    errors.into_iter().map(target).collect()
}

fn target(error: TargetError) -> Entry {
    let (code, cause, cure) = match error {
        TargetError::NotAUrl(..) => ("not_a_url", "The text has no scheme or no valid host.", "Give a whole URL."),
        TargetError::Scheme(_) => ("scheme", "The scheme names no layer.", "Use wss, ws, tls or tcp."),
        TargetError::Component(..) => (
            "component",
            "A part of the URL is missing or not supported by the layer.",
            "Add or correct the part of the URL that the text names.",
        ),
        TargetError::Unresolved { .. } => {
            ("unresolved", "The name has no address in DNS or /etc/hosts.", "Correct the name, or use an address.")
        }
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn tls() -> Vec<Entry> {
    let alerts = [
        AlertDescription::HandshakeFailure,
        AlertDescription::ProtocolVersion,
        AlertDescription::NoApplicationProtocol,
        AlertDescription::CertificateRequired,
        AlertDescription::UnrecognisedName,
        AlertDescription::InternalError,
    ];
    let mut errors = vec![
        TlsFailure::Certificate(CertificateProblem::Expired("Jan  1 00:00:00 2026 +00:00".to_owned())),
        TlsFailure::Certificate(CertificateProblem::NotYetValid("Jan  1 00:00:00 2036 +00:00".to_owned())),
        TlsFailure::Certificate(CertificateProblem::NotForServers),
        TlsFailure::Certificate(CertificateProblem::CaAsServer),
        TlsFailure::Certificate(CertificateProblem::Version1),
        TlsFailure::Certificate(CertificateProblem::SelfSigned),
        TlsFailure::Certificate(CertificateProblem::UntrustedCa("CN=Example CA".to_owned())),
        TlsFailure::Certificate(CertificateProblem::OtherIssuer("CN=Example CA".to_owned())),
        TlsFailure::Certificate(CertificateProblem::IssuerMissing("CN=Example intermediate".to_owned())),
        TlsFailure::Certificate(CertificateProblem::Other("invalid encoding".to_owned())),
        TlsFailure::Signature,
        TlsFailure::Name("certificate not valid for name \"127.0.0.1\"".to_owned()),
        TlsFailure::NotTls("corrupt message".to_owned()),
        TlsFailure::Protocol("peer is incompatible".to_owned()),
        TlsFailure::Truncated,
        TlsFailure::Io(reset()),
    ];
    errors.extend(alerts.map(TlsFailure::Alert));
    errors.into_iter().map(tls_failure).collect()
}

fn tls_failure(error: TlsFailure) -> Entry {
    let (code, cause, cure) = match &error {
        TlsFailure::Certificate(problem) => certificate_problem(problem),
        TlsFailure::Pin(_) => (
            "other_key".to_owned(),
            "The server has another key than the pinned ones.",
            "Check that it is the right server, or give the key that the text names.",
        ),
        TlsFailure::Signature => (
            "signature".to_owned(),
            "The server does not have the private key of its certificate.",
            "Check the server's key, and that nothing intercepts the connection.",
        ),
        TlsFailure::Name(_) => (
            "certificate_name".to_owned(),
            "The certificate is valid for other names.",
            "Give one of its names with --server-name.",
        ),
        TlsFailure::Alert(alert) => (
            format!("alert:{alert:?}"),
            "The peer ended the handshake with a TLS alert (RFC 8446 section 6).",
            "Change the option that the text names; if it names none, see the log of the peer.",
        ),
        TlsFailure::NotTls(_) => {
            ("not_tls".to_owned(), "Another protocol runs on the port.", "Correct the port, or use ws:// or tcp://.")
        }
        TlsFailure::Protocol(_) => (
            "protocol".to_owned(),
            "The ends have nothing in common, or the peer broke a rule of TLS.",
            "Compare the TLS options of both ends.",
        ),
        TlsFailure::Truncated => {
            ("truncated".to_owned(), "The connection ended without close_notify.", "See the log of the peer.")
        }
        TlsFailure::Io(_) => (
            "reset".to_owned(),
            "The TCP connection failed.",
            "The operating system's message gives the reason; check the network and the log of the peer.",
        ),
    };
    Entry::new(&code, printed(error), cause, cure)
}

fn certificate_problem(problem: &CertificateProblem) -> (String, &'static str, &'static str) {
    let (code, cause, cure) = match problem {
        CertificateProblem::Expired(_) => ("certificate_expired", "Its end date has passed.", "Renew it."),
        CertificateProblem::NotYetValid(_) => {
            ("certificate_not_yet_valid", "Its start date has not come.", "Check the clock of this machine.")
        }
        CertificateProblem::NotForServers => (
            "certificate_not_for_servers",
            "Its extended key usage names other purposes, such as clientAuth.",
            "Issue it with serverAuth.",
        ),
        CertificateProblem::CaAsServer => (
            "certificate_is_ca",
            "The server uses a CA certificate as its own.",
            "Issue a leaf certificate, or trust this certificate directly with --ca FILE.",
        ),
        CertificateProblem::Version1 => (
            "certificate_version_1",
            "`openssl x509 -req` without extensions makes such certificates.",
            "Issue it with a subjectAltName, or trust it directly with --ca FILE.",
        ),
        CertificateProblem::SelfSigned => {
            ("certificate_self_signed", "No CA signed it.", "Trust the certificate itself with --ca FILE.")
        }
        CertificateProblem::UntrustedCa(_) => {
            ("certificate_untrusted_ca", "Its CA is not among the trusted ones.", "Give the CA with --ca FILE.")
        }
        CertificateProblem::OtherIssuer(_) => (
            "certificate_other_issuer",
            "Two CAs have the same name, and --ca has the wrong one.",
            "Use --ca FILE to give the CA that signed it.",
        ),
        CertificateProblem::IssuerMissing(_) => (
            "certificate_issuer_missing",
            "The CA is not trusted, or the server does not send its intermediate certificates.",
            "Complete the chain on the server, or give the issuer with --ca FILE.",
        ),
        CertificateProblem::Other(_) => {
            ("certificate", "The text gives the reason in the words of rustls.", "Replace it, or use --insecure.")
        }
    };
    (code.to_owned(), cause, cure)
}

/// What a client says about a response that refuses the upgrade.
fn rejected() -> UpgradeError {
    let request = ClientUpgrade {
        host: "example.org".to_owned(),
        path: "/".to_owned(),
        subprotocol: None,
        deflate: None,
        fields: "".into(),
        run: None,
        key: [0; 16],
        max_head_size: 1024,
    };
    let mut response = &b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nno such path"[..];
    let reading = read_response(&mut response, &request);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(reading).unwrap_err()
}

pub(crate) fn client_upgrade() -> Vec<Entry> {
    let errors = vec![
        UpgradeError::InvalidRequest { what: "subprotocol", value: "a b".to_owned(), rule: "a token" },
        rejected(),
        UpgradeError::NoUpgrade,
        UpgradeError::NoConnectionUpgrade,
        UpgradeError::BadAccept { got: "missing".to_owned(), expected: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned() },
        UpgradeError::UnexpectedExtension { got: "permessage-deflate".to_owned() },
        UpgradeError::NoDeflate,
        UpgradeError::DeflateParameters {
            got: "permessage-deflate".to_owned(),
            problem: "it does not confirm the offered server_max_window_bits",
        },
        UpgradeError::UnexpectedSubprotocol { got: "chat".to_owned() },
        UpgradeError::NoSubprotocol { offered: "chat".to_owned() },
        UpgradeError::HeadTooLarge { limit: 16384 },
        UpgradeError::Tls,
        UpgradeError::OnlyHttp2,
        UpgradeError::Malformed { why: "invalid token".to_owned(), start: "SSH-2.0-".to_owned() },
        UpgradeError::Eof,
        UpgradeError::Io(reset()),
    ];
    let entry = |error: UpgradeError| {
        let kind = error.kind();
        Entry::new(
            kind.name(),
            printed(error),
            "See the same code under Kinds of errors.",
            "See the same code under Kinds of errors.",
        )
    };
    errors.into_iter().map(entry).collect()
}

/// What a client says about proxies.
pub(crate) fn tunnels() -> Vec<Entry> {
    let end = TunnelEnd::Name("example.org".to_owned(), 443);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answered = |kind, answer: &'static [u8]| {
        let tunnel = Tunnel { kind, end: end.clone(), credentials: None };
        let (mut client, mut proxy) = tokio::io::duplex(1024);
        runtime.block_on(async {
            proxy.write_all(answer).await.unwrap();
            proxy.shutdown().await.unwrap();
            tunnel.open(&mut client, 1024).await.unwrap_err()
        })
    };
    let (http, socks5) = (ProxyKind::Http, ProxyKind::Socks5h);
    let asks = "The proxy asks for credentials, or does not accept those given.";
    let (credentials, allow) =
        ("Give --proxy-auth-file, or correct the file.", "Allow the host and port in the proxy.");
    let (reach, speaks) = ("Check that the proxy reaches the server.", "Correct the scheme or the port of --proxy.");
    [
        ("status:407", answered(http, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), asks, credentials),
        ("status:403", answered(http, b"HTTP/1.1 403 Forbidden\r\n\r\n"), "The proxy does not allow it.", allow),
        (
            "status:502",
            answered(http, b"HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "The proxy could not connect to the server.",
            reach,
        ),
        ("socks5:credentials", answered(socks5, b"\x05\xff"), asks, credentials),
        ("socks5:2", answered(socks5, b"\x05\0\x05\x02\0\x01\0\0\0\0\0\0"), "The proxy does not allow it.", allow),
        (
            "socks5:5",
            answered(socks5, b"\x05\0\x05\x05\0\x01\0\0\0\0\0\0"),
            "The proxy could not connect to the server.",
            reach,
        ),
        ("not_http", answered(http, b"SSH-2.0-x\r\n"), "What listens there is not an HTTP proxy.", speaks),
        ("not_socks5", answered(socks5, b"HTTP/1.1"), "What listens there is not a SOCKS5 proxy.", speaks),
        ("closed", TunnelError::Closed(end.clone()), "The proxy ended the connection.", "See the log of the proxy."),
        ("io", TunnelError::Io(reset()), "The connection to the proxy failed.", "See the log of the proxy."),
    ]
    .map(|(code, error, cause, cure)| Entry::new(code, printed(error), cause, cure))
    .into()
}

pub(crate) fn server_upgrade() -> Vec<Entry> {
    let answered = |status, reason: &str| UpgradeRefusal::Answered { status, reason: reason.to_owned() };
    let errors = vec![
        answered(RefusalStatus::NotFound, "There is no WebSocket endpoint at this path."),
        answered(RefusalStatus::MethodNotAllowed, "The method is not GET."),
        answered(RefusalStatus::UpgradeRequired, "The request does not ask for an upgrade to WebSocket version 13."),
        answered(RefusalStatus::HeadTooLarge, "The request head is larger than 16384 bytes."),
        answered(RefusalStatus::BadRequest, "The request is not valid HTTP/1.1."),
        UpgradeRefusal::HealthCheck,
        UpgradeRefusal::Eof,
        UpgradeRefusal::Io(reset()),
    ];
    errors.into_iter().map(refusal).collect()
}

fn refusal(error: UpgradeRefusal) -> Entry {
    let (code, cause, cure) = match &error {
        UpgradeRefusal::Answered { status, .. } => {
            let (cause, cure) = match status {
                RefusalStatus::NotFound => ("The path is not that of --path.", "Correct the path of the URL."),
                RefusalStatus::MethodNotAllowed => ("An upgrade request uses GET.", "Correct the client."),
                RefusalStatus::UpgradeRequired => {
                    ("The client does not speak WebSocket version 13.", "Correct the client.")
                }
                RefusalStatus::HeadTooLarge => ("The head exceeds a limit of the server.", "Raise --max-head-size."),
                RefusalStatus::BadRequest => (
                    "The request breaks HTTP/1.1 or RFC 6455 section 4.2.1.",
                    "Correct the client; the body of the response gives the reason.",
                ),
            };
            (format!("answered:{}", status.code()), cause, cure)
        }
        UpgradeRefusal::HealthCheck => (
            "health_check".to_owned(),
            "A load balancer asked for the path of --health-path.",
            "This is not an error; it is counted by itself.",
        ),
        UpgradeRefusal::Eof => {
            ("eof".to_owned(), "The client closed the connection early.", "See the errors of the client.")
        }
        UpgradeRefusal::Io(_) => (
            "io".to_owned(),
            "The TCP connection failed.",
            "The operating system's message gives the reason; check the network and the log of the peer.",
        ),
    };
    Entry::new(&code, printed(error), cause, cure)
}

pub(crate) fn websocket() -> Vec<Entry> {
    let violations = [
        Violation::Unmasked,
        Violation::Masked,
        Violation::ReservedBits,
        Violation::ReservedOpcode(3),
        Violation::ControlTooLong,
        Violation::InvalidDeflate,
        Violation::ControlFragmented,
        Violation::NothingToContinue,
        Violation::MessageInterrupted,
        Violation::LengthNotMinimal,
        Violation::LengthTopBit,
        Violation::MessageTooLarge { limit: 16 << 20 },
        Violation::InvalidUtf8,
        Violation::CloseTooShort,
        Violation::CloseCode(1005),
    ];
    let violation = |violation: Violation| {
        let code = violation.close_code();
        let cause = match violation {
            Violation::MessageTooLarge { .. } => {
                format!("The message exceeds the configured limit; the connection is closed with code {code}.")
            }
            _ => format!("The peer broke {}; the connection is closed with code {code}.", violation.rfc()),
        };
        let cure = match violation {
            Violation::MessageTooLarge { .. } => "Send smaller messages, or raise --max-message-size of the server.",
            _ => "Fix the peer.",
        };
        let name = format!("{violation:?}");
        let name = name.split([' ', '(']).next().unwrap_or_default();
        Entry::new(&format!("violation:{name}"), printed(violation), &cause, cure)
    };
    let mut entries: Vec<Entry> = violations.map(violation).into();
    let ended = [
        (
            WebSocketError::Eof,
            "The connection ended before the closing handshake completed.",
            "See the log of the peer.",
        ),
        (
            WebSocketError::Closed,
            "This end had already sent a Close frame.",
            "See the earlier errors of this connection.",
        ),
    ];
    for (error, cause, cure) in ended {
        let kind = error.kind();
        entries.push(Entry::new(kind.name(), printed(error), cause, cure));
    }
    entries
}
