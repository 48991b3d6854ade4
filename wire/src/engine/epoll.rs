//! The epoll engine: tokio as it is, one current-thread runtime.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use wss_results::EngineKind;

use super::{Engine, EngineError, timer};

/// rustls reads in steps of 4,096 bytes: without a buffer below it, a record of 16 KiB would cost five calls.
/// One whole record fits (RFC 8446, 5.2: 2^14 + 256 and a header of 5).
const READ_BUFFER: usize = 16_384 + 256 + 5;

/// epoll, through tokio.
#[derive(Debug)]
pub struct Epoll;

impl Engine for Epoll {
    const KIND: EngineKind = EngineKind::Epoll;
    type Stream = BufReader<TcpStream>;
    type Listener = TcpListener;

    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future,
    {
        let refused = |source| EngineError::Setup { engine: Self::KIND, source };
        let runtime =
            Builder::new_current_thread().enable_io().build_local(LocalOptions::default()).map_err(refused)?;
        let output = runtime.block_on(async {
            tokio::task::spawn_local(timer::driver()?);
            Ok(main().await)
        });
        drop(runtime);
        timer::clear();
        output.map_err(refused)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<TcpListener> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<Self::Stream> {
        // TCP_NODELAY is inherited from the listener.
        let (stream, _) = listener.accept().await?;
        Ok(BufReader::with_capacity(READ_BUFFER, stream))
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Stream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(BufReader::with_capacity(READ_BUFFER, stream))
    }
}
