//! A handshake in memory, before any connection: whether the two ends of a run have enough in common.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SideData};

use super::failure::TlsFailure;

/// Flights that no handshake needs as many of: an end that waits for ever is told, not waited for.
const FLIGHTS: usize = 16;

/// Does what the first connection of a run would do.
///
/// # Errors
/// The failure of the end that does not go on.
pub fn try_handshake(server: ServerConfig, client: ClientConfig, name: ServerName<'static>) -> Result<(), TlsFailure> {
    let failed = |error: rustls::Error| TlsFailure::from(io::Error::other(error));
    let mut client = ClientConnection::new(Arc::new(client), name).map_err(failed)?;
    let mut server = ServerConnection::new(Arc::new(server)).map_err(failed)?;
    for _ in 0..FLIGHTS {
        hand_over(&mut client, &mut server)?;
        hand_over(&mut server, &mut client)?;
        if !client.is_handshaking() && !server.is_handshaking() {
            return Ok(());
        }
    }
    Err(failed(rustls::Error::HandshakeNotComplete))
}

/// What one end has to say, to the other one.
fn hand_over<A: SideData, B: SideData>(
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
