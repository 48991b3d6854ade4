//! The tokio-uring engine of a build without the feature `tokio-uring`: it has a name, and refuses to run.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use wss_model::EngineKind;

use super::{Engine, EngineError, Epoll};

/// io_uring, through tokio-uring; absent from this build.
#[derive(Debug)]
pub struct TokioUring;

/// Runs nothing: the other methods are called only from within [`Engine::run`].
impl Engine for TokioUring {
    const KIND: EngineKind = EngineKind::TokioUring;
    type Stream = <Epoll as Engine>::Stream;
    type Listener = <Epoll as Engine>::Listener;

    fn run<M, F>(_: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future,
    {
        Err(absent())
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<Self::Listener> {
        Epoll::listen(socket)
    }

    async fn accept(listener: &mut Self::Listener) -> io::Result<Self::Stream> {
        Epoll::accept(listener).await
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Stream> {
        Epoll::connect(address).await
    }
}

/// Fails always.
pub(super) fn try_ring() -> Result<(), EngineError> {
    Err(absent())
}

fn absent() -> EngineError {
    let text = "this build does not contain it; build wssbench with the feature tokio-uring";
    EngineError::Setup { engine: EngineKind::TokioUring, cause: io::Error::new(io::ErrorKind::Unsupported, text) }
}
