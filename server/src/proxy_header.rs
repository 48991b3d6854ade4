//! The header of PROXY protocol version 2 (haproxy.org, proxy-protocol.txt, section 2.2), with which a load balancer names the
//! client at the start of a connection. The server reads and checks it, and uses none of its contents.

use std::io;

use ppp::v2::{Header, ParseError};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Prefix, version, command, family and length.
const FIXED: usize = 16;
/// The longest rest that is read: addresses and further values take some hundred bytes at most.
const REST_MAX: usize = 4096;

/// Why a connection has no valid header.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// What came first is not a header.
    Invalid,
    /// The stream failed or ended.
    Io(io::Error),
}

/// Reads the header, and nothing after it.
///
/// # Errors
/// If there is none, or the stream fails before its end.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), HeaderError> {
    let mut header = vec![0; FIXED];
    stream.read_exact(&mut header).await.map_err(HeaderError::Io)?;
    // Checked before its length is used: a ClientHello has another number there.
    match Header::try_from(&header[..]) {
        Ok(_) => return Ok(()),
        Err(ParseError::Partial(_, rest)) if rest <= REST_MAX => header.resize(FIXED + rest, 0),
        Err(_) => return Err(HeaderError::Invalid),
    }
    stream.read_exact(&mut header[FIXED..]).await.map_err(HeaderError::Io)?;
    Header::try_from(&header[..]).map(|_| ()).map_err(|_| HeaderError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ppp::v2::{Builder, Command, Protocol, Version};

    fn header(command: Command, addresses: ppp::v2::Addresses) -> Vec<u8> {
        Builder::with_addresses(Version::Two | command, Protocol::Stream, addresses).build().unwrap()
    }

    async fn read_from(bytes: &[u8]) -> (Result<(), HeaderError>, usize) {
        let mut rest = bytes;
        let result = read(&mut rest).await;
        (result, rest.len())
    }

    #[tokio::test]
    async fn reads_the_header_and_nothing_after_it() {
        let ipv4 = || ppp::v2::IPv4::new([127, 0, 0, 1], [127, 0, 0, 1], 4000, 443).into();
        for header in [header(Command::Proxy, ipv4()), header(Command::Local, ppp::v2::Addresses::Unspecified)] {
            let (result, left) = read_from(&[&header[..], b"Hello"].concat()).await;
            assert!(matches!(result, Ok(())), "{result:?}");
            assert_eq!(left, 5);
        }
    }

    #[tokio::test]
    async fn refuses_what_is_not_a_header() {
        let valid = header(Command::Proxy, ppp::v2::IPv4::new([127, 0, 0, 1], [127, 0, 0, 1], 4000, 443).into());
        let mut long = valid.clone();
        (long[14], long[15]) = (0xff, 0xff);
        let mut version_1 = valid.clone();
        version_1[12] = 0x11;
        for bytes in [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), b"\x16\x03\x01".repeat(20), long, version_1] {
            assert!(matches!(read_from(&bytes).await.0, Err(HeaderError::Invalid)), "{bytes:?}");
        }
        for cut in [0, 5, FIXED - 1, FIXED, valid.len() - 1] {
            assert!(matches!(read_from(&valid[..cut]).await.0, Err(HeaderError::Io(_))), "{cut}");
        }
    }
}
