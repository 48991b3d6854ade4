//! Bytes and TLS records that the two ends exchange in memory for the opening of a connection and for a message: the
//! payload of TCP, without TCP's own headers.

use crate::configurations::reference;
use crate::connection::{Connection, Traffic, payload};
use crate::end::{End, EndTimes};
use crate::in_memory::Peers;
use crate::operation::Operation;
use wss_analysis::counts::Count;
use wss_model::config::TlsVersion;

/// Bytes and records that each end sends, for the opening and for an echo of each size.
///
/// # Errors
/// If a handshake or an echo fails.
pub fn count(repeats: usize) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for operation in Operation::ALL {
        let once = |_| match operation {
            Operation::Handshake | Operation::Opening => open().map(|connection| connection.traffic()),
            Operation::Echo(size) => echo(size),
        };
        // The handshake alone has no counting stream; the opening contains it.
        if operation == Operation::Handshake {
            continue;
        }
        let repeated: Vec<Traffic> = (0..repeats).map(once).collect::<anyhow::Result<_>>()?;
        for end in End::BOTH {
            let sent = |traffic: &Traffic| match end {
                End::Client => (traffic.bytes_sent, traffic.records_sent),
                End::Server => (traffic.bytes_received, traffic.records_received),
            };
            let name = |what| format!("{}/{}/{what}", operation.name(), end.name());
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
    Connection::open(&Peers::new(&reference(TlsVersion::V1_3))?, true, &mut EndTimes::default())
}

fn echo(size: usize) -> anyhow::Result<Traffic> {
    let (mut connection, message) = (open()?, payload(size));
    let before = connection.traffic();
    connection.echo(&message, &mut EndTimes::default())?;
    let after = connection.traffic();
    Ok(Traffic {
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
    fn a_message_adds_a_frame_header_and_record_overhead() {
        // TLS 1.3 (RFC 8446, 5.2): a header of 5 bytes, the inner content type, a tag of 16. WebSocket (RFC 6455, 5.2): a
        // header of 2 bytes, and 4 for the client's mask.
        let small = Traffic { bytes_sent: 92, bytes_received: 88, records_sent: 1, records_received: 1 };
        assert_eq!(echo(64).unwrap(), small);
        // A 16-bit length adds 2 bytes; the frame then needs a second record.
        let large = echo(16 * 1024).unwrap();
        assert_eq!((large.bytes_sent, large.bytes_received), (16_384 + 8 + 44, 16_384 + 4 + 44));
        assert_eq!((large.records_sent, large.records_received), (2, 2));
    }
}
