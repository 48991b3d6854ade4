//! A handshake in memory, before the first connection: checks that the two ends of a run can agree.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SideData};

use super::failure::TlsFailure;

/// More flights than any handshake has: ends a handshake in which both ends wait.
const FLIGHTS_MAX: usize = 16;

/// Performs the handshake of the first connection of a run.
///
/// # Errors
/// The failure of the first end that fails.
pub fn try_handshake(server: ServerConfig, client: ClientConfig, name: ServerName<'static>) -> Result<(), TlsFailure> {
    let failed = |error: rustls::Error| TlsFailure::from(io::Error::other(error));
    let mut client = ClientConnection::new(Arc::new(client), name).map_err(failed)?;
    let mut server = ServerConnection::new(Arc::new(server)).map_err(failed)?;
    for _ in 0..FLIGHTS_MAX {
        transfer(&mut client, &mut server)?;
        transfer(&mut server, &mut client)?;
        if !client.is_handshaking() && !server.is_handshaking() {
            return Ok(());
        }
    }
    Err(failed(rustls::Error::HandshakeNotComplete))
}

/// Passes the pending flight of one end to the other.
fn transfer<A: SideData, B: SideData>(
    from: &mut rustls::ConnectionCommon<A>,
    to: &mut rustls::ConnectionCommon<B>,
) -> Result<(), TlsFailure> {
    let mut flight = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut flight).map_err(TlsFailure::Io)?;
    }
    let mut flight = flight.as_slice();
    while !flight.is_empty() {
        to.read_tls(&mut flight).map_err(TlsFailure::Io)?;
        to.process_new_packets().map_err(|error| TlsFailure::from(io::Error::other(error)))?;
    }
    Ok(())
}
