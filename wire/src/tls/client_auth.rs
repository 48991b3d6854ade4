//! Detects whether a server requested the client's certificate, which rustls does not report. Without this, `--mtls` would
//! count handshakes without client authentication.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

thread_local! {
    static REQUESTED: Cell<bool> = const { Cell::new(false) };
}

/// Passes a request for the client's certificate on, and records it for this thread.
#[derive(Debug)]
pub(super) struct ClientAuthObserver(pub(super) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for ClientAuthObserver {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        REQUESTED.set(true);
        self.0.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// The future of one handshake. It adds to the output whether the server requested the client's certificate.
#[derive(Debug)]
pub struct ClientAuthFuture<F> {
    handshake: F,
    requested: bool,
}

impl<F: Future + Unpin> ClientAuthFuture<F> {
    /// Wraps the future of a handshake.
    pub fn new(handshake: F) -> Self {
        Self { handshake, requested: false }
    }
}

impl<F: Future + Unpin> Future for ClientAuthFuture<F> {
    type Output = (F::Output, bool);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The flag may be set by another handshake of this thread.
        REQUESTED.set(false);
        let poll = Pin::new(&mut self.handshake).poll(cx);
        self.requested |= REQUESTED.get();
        poll.map(|output| (output, self.requested))
    }
}
