//! One connection over a blocking socket, captured record by record: a header of 5 bytes is read, then the body that it
//! announces, then rustls processes both while its time is measured.
//!
//! As a stream it never returns `Pending`: a call blocks until it has a result or the trace's only deadline has passed. The
//! generator's code for the opening handshake and for WebSocket therefore runs on it unchanged.

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

/// The most bytes that a trace accepts from a server: far more than a handshake and an echo have.
const MAX_RECEIVED: usize = 1 << 20;
/// The most records, or segments without TLS, that it accepts: nobody could read more.
const MAX_PIECES: usize = 500;
/// The longest body of a record (RFC 5246 section 6.2.3; RFC 8446 allows less).
const MAX_BODY: usize = (1 << 14) + 2048;
/// The most bytes that are captured of data that is not TLS.
const MAX_NOT_TLS: usize = 64;
/// How long to wait for the server's FIN before sending FIN: the end that sends it first keeps TIME_WAIT.
const FIN_PATIENCE: Duration = Duration::from_secs(1);

/// How long to read on after a failed write.
const READ_AFTER_WRITE_ERROR: Duration = Duration::from_millis(200);

/// The server sent more than a trace accepts.
#[derive(Debug, thiserror::Error)]
#[error("the server sent more than a trace accepts ({MAX_RECEIVED} bytes or {MAX_PIECES} records)")]
struct TooMuch;

/// The connection.
pub(super) struct Connection {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What was sent as early data, until the server has accepted or rejected it.
    early: Option<Vec<u8>>,
    deadline: Instant,
    received: usize,
    pieces: usize,
    ended: bool,
    half_closed: bool,
    pub(super) capture: Capture,
}

impl Connection {
    /// Opens TCP. The capture is returned even if that fails.
    pub(super) fn open(address: SocketAddr, timeout: Duration) -> (Capture, io::Result<TcpStream>) {
        let mut capture = Capture::start();
        capture.add_first(Raw::Syn(address.to_string()));
        let opened = TcpStream::connect_timeout(&address, timeout).and_then(|socket| {
            let at = Instant::now();
            socket.set_nodelay(true)?;
            capture.add(at, Direction::Received, None, Raw::SynAck(socket.local_addr()?.to_string()));
            Ok(socket)
        });
        if let Err(error) = &opened
            && error.kind() == ErrorKind::ConnectionRefused
        {
            capture.add(Instant::now(), Direction::Received, None, Raw::Reset);
        }
        (capture, opened)
    }

    pub(super) fn new(socket: TcpStream, capture: Capture, deadline: Instant) -> Self {
        Self {
            socket,
            tls: None,
            early: None,
            deadline,
            received: 0,
            pieces: 0,
            ended: false,
            half_closed: false,
            capture,
        }
    }

    /// Performs the TLS handshake, up to the client's Finished. With early data it only sends the ClientHello: the first
    /// write follows as early data, and the first read completes the handshake.
    ///
    /// # Errors
    /// Errors of rustls, wrapped as tokio-rustls does, and of the socket.
    pub(super) fn handshake(&mut self, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<()> {
        self.capture.phase = TracePhase::Tls;
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

    /// The TLS state; `None` without TLS.
    pub(super) fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref()
    }

    /// Ends the connection: close_notify, then FIN. The server's FIN comes first if it arrives soon (RFC 6455 section
    /// 7.1.1), unless this end is to be `first`.
    ///
    /// # Errors
    /// If the server does not end the connection, or not in order.
    pub(super) fn end(&mut self, first: bool) -> io::Result<()> {
        self.capture.phase = TracePhase::Close;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            self.flush_tls(None)?;
        }
        if first {
            self.half_close();
        }
        let whole = self.deadline;
        self.deadline = whole.min(Instant::now() + FIN_PATIENCE);
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

    /// Ends the connection after a failure, with an alert if possible. If a write failed, what the server sent before may
    /// have the reason, so that is read first.
    pub(super) fn give_up(&mut self, unwritable: bool) {
        let _ = self.flush_tls(None);
        if unwritable {
            self.deadline = self.deadline.min(Instant::now() + READ_AFTER_WRITE_ERROR);
            let _ = self.read_to_end();
        }
        self.half_close();
    }

    fn half_close(&mut self) {
        if !self.half_closed && self.socket.shutdown(Shutdown::Write).is_ok() {
            self.capture.add(Instant::now(), Direction::Sent, None, Raw::Fin);
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
            // Discards what was decrypted: a full buffer would stop rustls.
            while let Some(tls) = &mut self.tls
                && tls.reader().read(&mut waste).is_ok_and(|have| have > 0)
            {}
        }
        Ok(())
    }

    /// Reads one record and has rustls process it; `false` at the end of TCP.
    fn next_record(&mut self) -> io::Result<bool> {
        self.count_piece()?;
        let mut header = [0; 5];
        let have = self.fill(&mut header)?;
        if have == 0 {
            if let Some(tls) = &mut self.tls {
                // Reports the end to rustls, which then knows whether close_notify was missing.
                tls.read_tls(&mut io::empty())?;
            }
            return Ok(false);
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if have < header.len() || !(20..=24).contains(&header[0]) || header[1] != 3 || length > MAX_BODY {
            return Err(self.not_tls(&header[..have]));
        }
        let mut body = vec![0; length];
        let have = self.fill(&mut body)?;
        let at = Instant::now();
        if have < length {
            self.capture.add(at, Direction::Received, None, Raw::CutRecord(header, have));
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let record = [header.as_slice(), &body].concat();
        let begun = Instant::now();
        let processed = self.process(&record);
        let cost = nanoseconds(begun.elapsed());
        self.capture.add(at, Direction::Received, Some(cost), Raw::Record(header, body));
        // Also after an error: it sends the alert.
        let flushed = self.flush_tls(None);
        processed?;
        flushed?;
        Ok(true)
    }

    /// Has rustls process bytes.
    fn process(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while !bytes.is_empty() && tls.read_tls(&mut bytes)? > 0 {
            tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
        Ok(())
    }

    /// Captures data that is not TLS, and returns the error of rustls.
    fn not_tls(&mut self, start: &[u8]) -> io::Error {
        let mut bytes = vec![0; MAX_NOT_TLS];
        bytes[..start.len()].copy_from_slice(start);
        // The rest has already arrived; nothing more is awaited.
        let mut have = start.len();
        if !self.ended && self.socket.set_read_timeout(Some(Duration::from_millis(20))).is_ok() {
            have += self.socket.read(&mut bytes[have..]).unwrap_or(0);
        }
        bytes.truncate(have);
        self.capture.add(Instant::now(), Direction::Received, None, Raw::NotTls(bytes.clone()));
        let verdict = self.process(&bytes);
        let _ = self.flush_tls(None);
        verdict.err().unwrap_or_else(|| {
            let reason = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
            io::Error::new(ErrorKind::InvalidData, reason)
        })
    }

    /// Reads from a connection without TLS; 0 at its end.
    fn next_segment(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let have = self.read_some(into)?;
        if have > 0 {
            self.capture.add(Instant::now(), Direction::Received, None, Raw::Segment(into[..have].to_vec()));
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
        if self.pieces > MAX_PIECES || self.received > MAX_RECEIVED { Err(io::Error::other(TooMuch)) } else { Ok(()) }
    }

    /// Reads from the socket before the deadline; 0 at its end.
    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        loop {
            self.socket.set_read_timeout(Some(self.remaining()?))?;
            match self.socket.read(into) {
                Ok(0) => {
                    self.ended = true;
                    self.capture.add(Instant::now(), Direction::Received, None, Raw::Fin);
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
                        self.capture.add(Instant::now(), Direction::Received, None, Raw::Reset);
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

    /// Sends what rustls has ready and captures it record by record. `begun` is when rustls began to make it.
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
            // The first record of a flight has the cost of all.
            self.capture.add(at, Direction::Sent, cost.take(), Raw::Record(*header, body.to_vec()));
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

    /// After the handshake: sends early data again that the server rejected.
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
                    // Whatever exceeds the ticket's limit is sent after the handshake.
                    let taken = writer.write(bytes)?;
                    early.extend_from_slice(&bytes[..taken]);
                    tls.writer().write_all(&bytes[taken..])?;
                }
                _ => tls.writer().write_all(bytes)?,
            }
            return self.flush_tls(Some(begun));
        }
        let written = self.send(bytes);
        self.capture.add(begun, Direction::Sent, None, Raw::Segment(bytes.to_vec()));
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
        // `end` closes the connection in the right order.
        Poll::Ready(Ok(()))
    }
}
