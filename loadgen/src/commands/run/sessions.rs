//! How many TLS sessions both ends keep, so that every handshake that is to resume one finds one.

use wss_model::{Rate, RunConfig, TlsVersion};

/// Sessions that the server remembers at most.
const MAX_SERVER_SESSIONS: f64 = 1_000_000.0;
/// Sessions that the server remembers at least.
const MIN_SERVER_SESSIONS: usize = 1_000;

/// Sessions of all threads of the generator: twice the handshakes that may be under way, because a ticket arrives only
/// after its handshake. `connections`: those that may be open at a time.
pub(super) fn client_sessions(config: &RunConfig, connections: usize) -> usize {
    if !config.tls.resumes() {
        return 0;
    }
    let under_way = match config.connect_rate {
        Rate::Max => config.connect_concurrency,
        Rate::PerSecond(_) => {
            // With the embedded server, the sessions themselves are made with --connect-concurrency.
            let making = if config.is_embedded() { config.connect_concurrency } else { 1 };
            connections.min(config.limits.max_connecting).max(making)
        }
    };
    under_way * 2
}

/// Sessions of the server: those that the generator keeps, and all that are made after the oldest of them.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn server_sessions(config: &RunConfig, client_sessions: usize) -> usize {
    let tls = &config.tls;
    let made = client_sessions as f64 / tls.resume_share().max(1e-6) * f64::from(tls.tickets().max(1)) * 2.0;
    (made.min(MAX_SERVER_SESSIONS) as usize).max(MIN_SERVER_SESSIONS)
}

/// Full handshakes that make the sessions of the generator.
pub(super) fn full_handshakes(config: &RunConfig, client_sessions: usize, threads: usize) -> usize {
    // At --connect-rate each takes its time, and no more handshakes can be under way than those before their timeout.
    let keeps_rate = !config.is_embedded() && config.connect_rate != Rate::Max;
    let sessions = if keeps_rate { client_sessions.div_ceil(2) } else { client_sessions };
    match (sessions, config.tls.version()) {
        (0, _) => 0,
        // A session of TLS 1.2 is resumed any number of times.
        (_, Some(TlsVersion::V1_2)) => threads,
        // One more per thread, so that each thread's share suffices for it.
        (sessions, _) => sessions.div_ceil(usize::from(config.tls.tickets()).max(1)) + threads,
    }
}
