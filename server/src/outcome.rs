//! The outcome that each error counts as: see [`PhaseOutcome`].

use std::io;

use rustix::io::Errno;
use wss_model::server_stats::PhaseOutcome;
use wss_wire::tls::TlsFailure;
use wss_wire::upgrade::{RefusalStatus, UpgradeRefusal};
use wss_wire::websocket::WebSocketError;

use crate::proxy_header::HeaderError;

/// A failed accept(2).
pub(crate) fn of_accept(error: &io::Error) -> PhaseOutcome {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE) => PhaseOutcome::NoDescriptors,
        Some(Errno::NOMEM | Errno::NOBUFS) => PhaseOutcome::OutOfMemory,
        Some(Errno::CONNABORTED) => PhaseOutcome::ConnectionAborted,
        _ => PhaseOutcome::Failed,
    }
}

/// A failed read or write of a stream, with or without TLS.
pub(crate) fn of_io(error: io::Error) -> PhaseOutcome {
    match TlsFailure::from(error) {
        TlsFailure::Certificate(_) | TlsFailure::Pin(_) | TlsFailure::Signature => PhaseOutcome::Certificate,
        TlsFailure::Name(_) => PhaseOutcome::CertificateName,
        TlsFailure::Alert(_) => PhaseOutcome::Alert,
        TlsFailure::NotTls(_) => PhaseOutcome::NotTls,
        TlsFailure::Protocol(_) => PhaseOutcome::Protocol,
        TlsFailure::Truncated => PhaseOutcome::Truncated,
        TlsFailure::Io(_) => PhaseOutcome::Reset,
    }
}

/// A connection without a valid PROXY protocol header.
pub(crate) fn of_proxy_header(error: HeaderError) -> PhaseOutcome {
    match error {
        HeaderError::Invalid => PhaseOutcome::ProxyHeader,
        HeaderError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => PhaseOutcome::Eof,
        HeaderError::Io(error) => of_io(error),
    }
}

/// A connection that did not become a WebSocket.
pub(crate) fn of_upgrade(refusal: UpgradeRefusal) -> PhaseOutcome {
    match refusal {
        UpgradeRefusal::Answered { status, .. } => match status {
            RefusalStatus::BadRequest => PhaseOutcome::BadRequest,
            RefusalStatus::NotFound => PhaseOutcome::NotFound,
            RefusalStatus::MethodNotAllowed => PhaseOutcome::MethodNotAllowed,
            RefusalStatus::UpgradeRequired => PhaseOutcome::UpgradeRequired,
            RefusalStatus::HeadTooLarge => PhaseOutcome::HeadTooLarge,
        },
        UpgradeRefusal::HealthCheck => PhaseOutcome::HealthCheck,
        UpgradeRefusal::Eof => PhaseOutcome::Eof,
        UpgradeRefusal::Io(error) => of_io(error),
    }
}

/// An open WebSocket that failed.
pub(crate) fn of_websocket(error: WebSocketError) -> PhaseOutcome {
    match error {
        WebSocketError::Violation(violation) => match violation.close_code() {
            1007 => PhaseOutcome::InvalidPayload,
            1009 => PhaseOutcome::MessageTooBig,
            1013 => PhaseOutcome::OverBudget,
            _ => PhaseOutcome::ProtocolError,
        },
        WebSocketError::Eof => PhaseOutcome::Closed,
        WebSocketError::Closed => PhaseOutcome::ClosedHere,
        // TLS knows more than the kind of the I/O error: a tampered record, for example, is not a reset.
        WebSocketError::Io(error) => of_io(error),
    }
}
