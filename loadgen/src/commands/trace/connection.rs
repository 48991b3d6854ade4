//! One connection, driven by hand over a blocking socket and taped record by record: a header of 5 bytes is read, then
//! the body that it announces, then both are given to rustls, whose time is taken.
//!
//! As a stream it never says "not yet": a call blocks until there is something, or until the one deadline of the whole
//! trace. So the opening handshake and the WebSocket code of the generator run on it as they are.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wss_model::trace_result::{Direction, TracePhase};

use super::capture::{Capture, Raw, nanoseconds};

/// Bytes that a trace takes from a server: far more than a handshake and an echo have.
const RECEIVED_MOST: usize = 1 << 20;
/// Records, or segments without TLS, that it takes: more cannot be read by a person.
const PIECES_MOST: usize = 500;
/// The longest body of a record (RFC 5246 section 6.2.3; RFC 8446 allows less).
const BODY_MOST: usize = (1 << 14) + 2048;
/// How much is shown of what is no TLS.
const FOREIGN_MOST: usize = 64;
/// How long it waits for the server's FIN before it sends its own: who is first keeps TIME_WAIT.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it reads on after it could not write.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Why there is nothing more to take from a server that goes on sending.
#[derive(Debug, thiserror::Error)]
#[error("the server sends more than a trace takes ({RECEIVED_MOST} bytes or {PIECES_MOST} records)")]
struct TooMuch;

/// The connection.
pub(super) struct Connection {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What was sent as early data, until it is known whether the server took it.
    early: Option<Vec<u8>>,
    deadline: Instant,
    received: usize,
    pieces: usize,
    ended: bool,
    half_closed: bool,
    pub(super) tape: Capture,
}

impl Connection {
    /// Opens TCP. The tape comes back even if that fails.
    pub(super) fn open(address: SocketAddr, timeout: Duration) -> (Capture, io::Result<TcpStream>) {
        let mut tape = Capture::start();
        tape.add_first(Raw::Syn(address.to_string()));
        let opened = TcpStream::connect_timeout(&address, timeout).and_then(|socket| {
            let at = Instant::now();
            socket.set_nodelay(true)?;
            tape.add(at, Direction::Received, None, Raw::SynAck(socket.local_addr()?.to_string()));
            Ok(socket)
        });
        if let Err(error) = &opened
            && error.kind() == ErrorKind::ConnectionRefused
        {
            tape.add(Instant::now(), Direction::Received, None, Raw::Reset);
        }
        (tape, opened)
    }

    pub(super) fn new(socket: TcpStream, tape: Capture, deadline: Instant) -> Self {
        Self {
            socket,
            tls: None,
            early: None,
            deadline,
            received: 0,
            pieces: 0,
            ended: false,
            half_closed: false,
            tape,
        }
    }

    /// The TLS handshake, up to the client's Finished. With early data only the ClientHello: what is written then goes
    /// with it, and the first reading does the rest.
    ///
    /// # Errors
    /// Those of rustls, as tokio-rustls wraps them, and those of the socket.
    pub(super) fn handshake(&mut self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<()> {
        self.tape.phase = TracePhase::Tls;
        let begun = Instant::now();
        let mut client = ClientConnection::new(config, name).map_err(io::Error::other)?;
        self.early = client.early_data().map(|_| Vec::new());
        self.tls = Some(Box::new(client));
        self.flush_tls(Some(begun))?;
        if self.early.is_some() {
            return Ok(());
        }
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            if !self.next_record()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// TLS's state, if there is TLS.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    /// Ends the connection: close_notify, then FIN, the server's first if it comes soon (RFC 6455 section 7.1.1) and
    /// this end is not to be the `first`.
    ///
    /// # Errors
    /// If the server does not end, or not in order.
    pub(super) fn end(&mut self, first: bool) -> io::Result<()> {
        self.tape.phase = TracePhase::Close;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            self.flush_tls(None)?;
        }
        if first {
            self.half_close();
        }
        let whole = self.deadline;
        self.deadline = whole.min(Instant::now() + PATIENCE);
        let waited = self.read_to_end();
        self.deadline = whole;
        match waited {
            Err(error) if error.kind() == ErrorKind::TimedOut && !self.half_closed => {
                self.half_close();
                self.read_to_end()
            }
            ended => {
                self.half_close();
                ended
            }
        }
    }

    /// After a failure: says so to the server as far as that is possible, and ends. If it could not be written to,
    /// what it said before it went away may tell why.
    pub(super) fn give_up(&mut self, unwritable: bool) {
        let _ = self.flush_tls(None);
        if unwritable {
            self.deadline = self.deadline.min(Instant::now() + LAST_WORDS);
            let _ = self.read_to_end();
        }
        self.half_close();
    }

    fn half_close(&mut self) {
        if !self.half_closed && self.socket.shutdown(Shutdown::Write).is_ok() {
            self.tape.add(Instant::now(), Direction::Sent, None, Raw::Fin);
        }
        self.half_closed = true;
    }

    fn read_to_end(&mut self) -> io::Result<()> {
        let mut waste = [0; 4096];
        while !self.ended {
            if self.tls.is_some() {
                self.next_record()?;
            } else {
                self.next_segment(&mut waste)?;
            }
            // What rustls has decrypted for nobody would fill its buffer, and it would take no more.
            while let Some(tls) = &mut self.tls
                && tls.reader().read(&mut waste).is_ok_and(|have| have > 0)
            {}
        }
        Ok(())
    }

    /// Reads one record and lets rustls process it; `false` at the end of TCP.
    fn next_record(&mut self) -> io::Result<bool> {
        self.count_piece()?;
        let mut header = [0; 5];
        let have = self.fill(&mut header)?;
        if have == 0 {
            if let Some(tls) = &mut self.tls {
                // Tells rustls of the end, so that it knows whether close_notify was missing.
                tls.read_tls(&mut io::empty())?;
            }
            return Ok(false);
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if have < header.len() || !(20..=24).contains(&header[0]) || header[1] != 3 || length > BODY_MOST {
            return Err(self.foreign(&header[..have]));
        }
        let mut body = vec![0; length];
        let have = self.fill(&mut body)?;
        let at = Instant::now();
        if have < length {
            self.tape.add(at, Direction::Received, None, Raw::CutRecord(header, have));
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let record = [header.as_slice(), &body].concat();
        let begun = Instant::now();
        let processed = self.process(&record);
        let cost = nanoseconds(begun.elapsed());
        self.tape.add(at, Direction::Received, Some(cost), Raw::Record(header, body));
        // Also after an error: the alert that tells the server why.
        let flushed = self.flush_tls(None);
        processed?;
        flushed?;
        Ok(true)
    }

    /// Gives bytes to rustls.
    fn process(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while !bytes.is_empty() && tls.read_tls(&mut bytes)? > 0 {
            tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        Ok(())
    }

    /// What is no TLS: tapes what there is of it and asks rustls for its verdict.
    fn foreign(&mut self, start: &[u8]) -> io::Error {
        let mut bytes = vec![0; FOREIGN_MOST];
        bytes[..start.len()].copy_from_slice(start);
        // What came with it is there already; for more nobody waits.
        let mut have = start.len();
        if !self.ended && self.socket.set_read_timeout(Some(Duration::from_millis(20))).is_ok() {
            have += self.socket.read(&mut bytes[have..]).unwrap_or(0);
        }
        bytes.truncate(have);
        self.tape.add(Instant::now(), Direction::Received, None, Raw::NotTls(bytes.clone()));
        let verdict = self.process(&bytes);
        let _ = self.flush_tls(None);
        verdict.err().unwrap_or_else(|| {
            let reason = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
            io::Error::new(ErrorKind::InvalidData, reason)
        })
    }

    /// Reads what a connection without TLS has; 0 at its end.
    fn next_segment(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let have = self.read_some(into)?;
        if have > 0 {
            self.tape.add(Instant::now(), Direction::Received, None, Raw::Segment(into[..have].to_vec()));
            self.count_piece()?;
        }
        Ok(have)
    }

    /// Fills `into`, or less at the end of TCP.
    fn fill(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        while have < into.len() {
            match self.read_some(&mut into[have..])? {
                0 => break,
                more => have += more,
            }
        }
        Ok(have)
    }

    fn count_piece(&mut self) -> io::Result<()> {
        self.pieces += 1;
        if self.pieces > PIECES_MOST || self.received > RECEIVED_MOST { Err(io::Error::other(TooMuch)) } else { Ok(()) }
    }

    /// One read of the socket, before the deadline; 0 at its end.
    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        loop {
            self.socket.set_read_timeout(Some(self.remaining()?))?;
            match self.socket.read(into) {
                Ok(0) => {
                    self.ended = true;
                    self.tape.add(Instant::now(), Direction::Received, None, Raw::Fin);
                    return Ok(0);
                }
                Ok(have) => {
                    self.received += have;
                    return Ok(have);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => {
                    if error.kind() == ErrorKind::ConnectionReset {
                        self.ended = true;
                        self.tape.add(Instant::now(), Direction::Received, None, Raw::Reset);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn remaining(&self) -> io::Result<Duration> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(remaining) }
    }

    /// Sends what rustls has ready, taped record by record. `begun` is when the making of it began.
    fn flush_tls(&mut self, begun: Option<Instant>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let mut ready = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut ready)?;
        }
        let at = Instant::now();
        let mut cost = begun.map(|begun| nanoseconds(at - begun));
        let written = self.send(&ready);
        let mut rest = ready.as_slice();
        while let Some((header, after)) = rest.split_first_chunk::<5>() {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]])).min(after.len());
            let (body, after) = after.split_at(length);
            // The first of a flight has the cost of all.
            self.tape.add(at, Direction::Sent, cost.take(), Raw::Record(*header, body.to_vec()));
            rest = after;
        }
        written
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.socket.set_write_timeout(Some(self.remaining()?))?;
        self.socket.write_all(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }

    /// Reads application data; 0 at its end.
    fn read_plain(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else { return self.next_segment(into) };
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.next_record()?;
                    self.settle_early_data()?;
                }
                read => return read,
            }
        }
    }

    /// Once the handshake is done: what the server did not take as early data is sent again.
    fn settle_early_data(&mut self) -> io::Result<()> {
        let Some(tls) = self.tls.as_mut().filter(|tls| !tls.is_handshaking()) else { return Ok(()) };
        match self.early.take() {
            Some(early) if !early.is_empty() && !tls.is_early_data_accepted() => self.write_plain(&early),
            _ => Ok(()),
        }
    }

    /// Sends application data: one record, or one segment.
    fn write_plain(&mut self, bytes: &[u8]) -> io::Result<()> {
        let begun = Instant::now();
        if let Some(tls) = &mut self.tls {
            match (&mut self.early, tls.early_data()) {
                (Some(early), Some(mut writer)) => {
                    // What the ticket does not allow goes after the handshake, by itself.
                    let taken = writer.write(bytes)?;
                    early.extend_from_slice(&bytes[..taken]);
                    tls.writer().write_all(&bytes[taken..])?;
                }
                _ => tls.writer().write_all(bytes)?,
            }
            return self.flush_tls(Some(begun));
        }
        let written = self.send(bytes);
        self.tape.add(begun, Direction::Sent, None, Raw::Segment(bytes.to_vec()));
        written
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut part = vec![0; out.remaining().min(1 << 14)];
        Poll::Ready(self.read_plain(&mut part).map(|have| out.put_slice(&part[..have])))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_plain(data).map(|()| data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end has an order of its own: see `end`.
        Poll::Ready(Ok(()))
    }
}
