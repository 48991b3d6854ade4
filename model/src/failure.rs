//! The names of errors on a connection: [`ErrorPhase`] and [`ErrorKind`]. Both ends count errors by them, and results list
//! them.

use crate::named_choice;

named_choice! {
    /// The phase of a connection in which something went wrong.
    ErrorPhase {
        /// TCP connect.
        Connect = "connect",
        /// The TLS handshake.
        Tls = "tls",
        /// The opening handshake of RFC 6455.
        Upgrade = "upgrade",
        /// The first message and its echo.
        FirstEcho = "first_echo",
        /// Messages on an open connection.
        Echo = "echo",
        /// The closing handshake and the end of the connection.
        Close = "close",
        /// The server process itself, or its admin endpoint.
        Server = "server",
    }
}

named_choice! {
    /// The kind of an error. One kind can occur in several phases.
    ErrorKind {
        /// The peer refused the TCP connection.
        Refused = "refused",
        /// No local port was free to connect from.
        NoPorts = "no_ports",
        /// No route to the address.
        Unreachable = "unreachable",
        /// The peer reset the connection.
        Reset = "reset",
        /// A timeout expired.
        Timeout = "timeout",
        /// The proxy did not open a tunnel to the server.
        ProxyRefused = "proxy_refused",
        /// Another error of the operating system.
        Failed = "failed",
        /// The server's certificate was not accepted.
        Certificate = "certificate",
        /// The certificate is valid for another name.
        CertificateName = "certificate_name",
        /// The peer sent a TLS alert.
        Alert = "alert",
        /// The peer does not speak TLS.
        NotTls = "not_tls",
        /// The ends share no TLS version, suite or group, or the peer violated the TLS protocol.
        Protocol = "protocol",
        /// The connection ended without close_notify, or in the middle of a frame.
        Truncated = "truncated",
        /// The TLS version, suite, group, certificate or ALPN protocol differs from the requested one.
        NotAsRequested = "not_as_requested",
        /// A handshake that should have resumed a session did not.
        NotResumed = "not_resumed",
        /// The server refused early data, or its early-data limit was too small.
        EarlyDataRefused = "early_data_refused",
        /// The upgrade request could not be composed.
        InvalidRequest = "invalid_request",
        /// The response status is not 101.
        Status = "status",
        /// `Upgrade: websocket` is missing from the response.
        NoUpgrade = "no_upgrade",
        /// `Connection: Upgrade` is missing from the response.
        NoConnectionUpgrade = "no_connection_upgrade",
        /// `Sec-WebSocket-Accept` does not match the key.
        BadAccept = "bad_accept",
        /// The server selected an extension that was not offered.
        UnexpectedExtension = "unexpected_extension",
        /// The server selected the offered extension with parameters that the offer excludes.
        ExtensionParameters = "extension_parameters",
        /// The server did not select the extension that was offered.
        NoExtension = "no_extension",
        /// The server selected a subprotocol that was not offered.
        UnexpectedSubprotocol = "unexpected_subprotocol",
        /// The server selected none of the offered subprotocols.
        NoSubprotocol = "no_subprotocol",
        /// An HTTP head exceeds the limit.
        HeadTooLarge = "head_too_large",
        /// The server responded to the upgrade request with TLS.
        SpeaksTls = "speaks_tls",
        /// The server speaks only HTTP/2, but the upgrade request was HTTP/1.1.
        OnlyHttp2 = "only_http2",
        /// The server does not speak HTTP/2, or did not select it by ALPN.
        NotHttp2 = "not_http2",
        /// The server does not enable the extended CONNECT protocol of HTTP/2 (RFC 8441).
        NoExtendedConnect = "no_extended_connect",
        /// The server reset the HTTP/2 stream (RST_STREAM).
        StreamReset = "stream_reset",
        /// The server ended the HTTP/2 connection (GOAWAY).
        GoAway = "go_away",
        /// The server broke HTTP/2 (RFC 9113).
        Http2Violation = "http2_violation",
        /// An HTTP head is malformed.
        Malformed = "malformed",
        /// The connection ended inside an HTTP head.
        Eof = "eof",
        /// Reading or writing failed.
        Io = "io",
        /// The peer broke RFC 6455, or RFC 7692 (compression), on an open connection.
        Violation = "violation",
        /// The peer closed the connection.
        Closed = "closed",
        /// This end had closed the connection.
        ClosedHere = "closed_here",
        /// The reply differs from the message.
        Mismatch = "mismatch",
        /// The peer sent a message that is not a reply, or more bytes after its Close frame.
        Unexpected = "unexpected",
        /// Published messages did not arrive: their numbers were left out.
        Lost = "lost",
        /// A published message arrived more than once.
        Duplicated = "duplicated",
        /// A published message arrived after one with a higher number.
        Reordered = "reordered",
        /// A message was planned for a connection that had already failed.
        ConnectionLost = "connection_lost",
        /// A message was due but not sent before the phase ended.
        NotSent = "not_sent",
        /// The server process exited with an error.
        ServerExited = "server_exited",
        /// The admin endpoint of the server stopped answering.
        ServerLost = "server_lost",
    }
}
