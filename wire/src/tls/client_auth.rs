//! Whether a server asked for the client's certificate, which rustls does not tell: without it a run with `--mtls`
//! would measure handshakes that are none.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Tells this thread that it was asked.
#[derive(Debug)]
pub(super) struct ClientAuthObserver(pub(super) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for ClientAuthObserver {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        ASKED.set(true);
        self.0.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// The future of one handshake; with its output, whether the server asked in it.
#[derive(Debug)]
pub struct AskedForCertificate<F> {
    future: F,
    asked: bool,
}

impl<F: Future + Unpin> AskedForCertificate<F> {
    /// Wraps it.
    pub fn new(future: F) -> Self {
        Self { future, asked: false }
    }
}

impl<F: Future + Unpin> Future for AskedForCertificate<F> {
    type Output = (F::Output, bool);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Other handshakes of this thread were polled since.
        ASKED.set(false);
        let polled = Pin::new(&mut self.future).poll(cx);
        self.asked |= ASKED.get();
        polled.map(|output| (output, self.asked))
    }
}
