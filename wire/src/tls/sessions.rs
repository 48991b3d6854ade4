//! The session store of a client, sized for the run.
//!
//! The store of rustls keeps a few TLS 1.3 tickets per server name: with many concurrent handshakes it is soon empty, and
//! handshakes that find no ticket are full instead of resumed. This store holds one ticket per concurrent handshake, and
//! hands out the oldest first, so that tickets stay as fresh as possible.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// The sessions of one thread of the generator, all with the same server.
pub struct Sessions {
    stored: Mutex<StoredSessions>,
    capacity: usize,
}

#[derive(Default)]
struct StoredSessions {
    /// TLS 1.3: each is used once, the oldest first.
    tickets: VecDeque<Tls13ClientSessionValue>,
    /// TLS 1.2: can be resumed any number of times.
    session: Option<Tls12ClientSessionValue>,
    /// Whether the server has ever sent a session.
    has_received: bool,
}

impl Sessions {
    /// An empty store for at most `capacity` tickets.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { stored: Mutex::default(), capacity })
    }

    /// Number of handshakes that can be resumed now; a TLS 1.2 session counts as a full store.
    pub fn len(&self) -> usize {
        let stored = self.stored();
        if stored.session.is_some() { self.capacity } else { stored.tickets.len() }
    }

    /// Whether no session can be resumed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the server has sent sessions, and none is left.
    pub fn has_run_out(&self) -> bool {
        let stored = self.stored();
        stored.has_received && stored.session.is_none() && stored.tickets.is_empty()
    }

    fn stored(&self) -> MutexGuard<'_, StoredSessions> {
        // No update panics halfway, so the data of a poisoned lock is consistent.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("len", &self.len()).field("capacity", &self.capacity).finish()
    }
}

impl ClientSessionStore for Sessions {
    /// The group that a server selected is not stored: the options decide which group is offered first.
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        let mut stored = self.stored();
        stored.session = Some(session);
        stored.has_received = true;
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.stored().session.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.stored().session = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut stored = self.stored();
        if stored.tickets.len() >= self.capacity {
            stored.tickets.pop_front();
        }
        stored.tickets.push_back(ticket);
        stored.has_received = true;
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.stored().tickets.pop_front()
    }
}

/// The store for full handshakes: inserts sessions, and never returns one.
#[derive(Debug)]
pub(super) struct InsertOnlyStore(pub(super) Arc<Sessions>);

impl ClientSessionStore for InsertOnlyStore {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, name: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.0.set_tls12_session(name, session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, name: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(name, ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
