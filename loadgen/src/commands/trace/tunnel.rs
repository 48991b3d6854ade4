//! What opens the tunnel through a proxy, without the user name and the password.

use wss_model::config::ProxyKind;
use wss_model::trace_result::Direction;
use wss_model::trace_result::application::Application;

use super::application::excerpt;

/// The most characters that are shown of a line.
const MAX_LINE: usize = 120;
/// The most bytes that are shown of a message of SOCKS5.
const MAX_BYTES: usize = 32;
/// First byte of a message with a user name and a password (RFC 1929); the client's other messages begin with 5, the
/// version of SOCKS.
const PASSWORD_VERSION: u8 = 1;

/// One message between the client and the proxy.
pub(super) fn message(proxy: ProxyKind, direction: Direction, bytes: &[u8]) -> Application {
    let preview = match proxy {
        // The fields after the first line may have credentials.
        ProxyKind::Http => {
            let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            format!("\"{}\"", excerpt(line.trim_ascii_end(), MAX_LINE))
        }
        ProxyKind::Socks5 | ProxyKind::Socks5h => match (direction, bytes.first()) {
            (Direction::Sent, Some(&PASSWORD_VERSION)) => "a user name and a password".to_owned(),
            _ => {
                let shown: String = bytes.iter().take(MAX_BYTES).map(|byte| format!("{byte:02x}")).collect();
                format!("0x{shown}{}", if bytes.len() > MAX_BYTES { " …" } else { "" })
            }
        },
    };
    Application::Bytes { bytes: bytes.len() as u64, preview }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(proxy: ProxyKind, direction: Direction, bytes: &[u8]) -> String {
        let Application::Bytes { bytes: length, preview } = message(proxy, direction, bytes) else { panic!() };
        assert_eq!(length, bytes.len() as u64);
        preview
    }

    #[test]
    fn credentials_are_not_shown() {
        let request = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n";
        assert_eq!(preview(ProxyKind::Http, Direction::Sent, request), "\"CONNECT a.test:443 HTTP/1.1\"");
        let password = b"\x01\x04user\x06secret";
        assert_eq!(preview(ProxyKind::Socks5h, Direction::Sent, password), "a user name and a password");
    }

    #[test]
    fn other_messages_are_shown() {
        assert_eq!(preview(ProxyKind::Http, Direction::Received, b"HTTP/1.1 200 OK\r\n\r\n"), "\"HTTP/1.1 200 OK\"");
        assert_eq!(preview(ProxyKind::Socks5, Direction::Sent, &[5, 1, 0]), "0x050100");
        assert_eq!(preview(ProxyKind::Socks5, Direction::Received, &[1, 0]), "0x0100");
        let long = [5; 40];
        assert_eq!(preview(ProxyKind::Socks5, Direction::Sent, &long), format!("0x{} …", "05".repeat(32)));
    }
}
