//! Bytes and TLS records of a connection's opening and of its messages, as they pass between the two ends in memory:
//! what TCP is given, without its own headers.

use crate::in_memory::Ends;
use crate::options::reference;
use crate::scripted::{Connection, OnTheWire, payload};
use crate::side::{Side, Took};
use crate::subject::Subject;
use wss_analysis::counts::Count;
use wss_model::config::TlsVersion;

/// Bytes and records that each side sends, of an opening and of an echo of each size.
///
/// # Errors
/// If a handshake or an echo fails.
pub fn count(repeats: usize) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for subject in Subject::ALL {
        let once = |_| match subject {
            Subject::Handshake | Subject::Opening => open().map(|open| open.on_the_wire()),
            Subject::Echo(size) => echo(size),
        };
        // rustls alone has no stream that counts; the opening has its handshake in it.
        if subject == Subject::Handshake {
            continue;
        }
        let repeated: Vec<OnTheWire> = (0..repeats).map(once).collect::<anyhow::Result<_>>()?;
        for side in Side::BOTH {
            let sent = |wire: &OnTheWire| match side {
                Side::Client => (wire.bytes_sent, wire.records_sent),
                Side::Server => (wire.bytes_received, wire.records_received),
            };
            let name = |what| format!("{}/{}/{what}", subject.name(), side.name());
            let (bytes, records): (Vec<u64>, Vec<u64>) = repeated.iter().map(sent).unzip();
            counts.push(Count::new(name("sent"), "bytes", &floats(&bytes)));
            counts.push(Count::new(name("records_sent"), "records", &floats(&records)));
        }
    }
    Ok(counts)
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn floats(values: &[u64]) -> Vec<f64> {
    values.iter().map(|value| *value as f64).collect()
}

fn open() -> anyhow::Result<Connection> {
    Connection::open(&Ends::new(&reference(TlsVersion::V1_3))?, true, &mut Took::default())
}

fn echo(size: usize) -> anyhow::Result<OnTheWire> {
    let (mut connection, message) = (open()?, payload(size));
    let before = connection.on_the_wire();
    connection.echo(&message, &mut Took::default())?;
    let after = connection.on_the_wire();
    Ok(OnTheWire {
        bytes_sent: after.bytes_sent - before.bytes_sent,
        bytes_received: after.bytes_received - before.bytes_received,
        records_sent: after.records_sent - before.records_sent,
        records_received: after.records_received - before.records_received,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_payload_a_frames_header_and_a_record() {
        // TLS 1.3: 5 bytes of header, 1 of the type inside, 16 of the tag. WebSocket: 2 and the mask's 4 from a client.
        let small = OnTheWire { bytes_sent: 92, bytes_received: 88, records_sent: 1, records_received: 1 };
        assert_eq!(echo(64).unwrap(), small);
        // Of a length of 16 bits there are 2 more, and with them it does not fit into one record.
        let large = echo(16 * 1024).unwrap();
        assert_eq!((large.bytes_sent, large.bytes_received), (16_384 + 8 + 44, 16_384 + 4 + 44));
        assert_eq!((large.records_sent, large.records_received), (2, 2));
    }
}
