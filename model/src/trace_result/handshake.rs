//! The messages of a TLS handshake (RFC 8446 section 4, RFC 5246 section 7.4), by their names in the RFCs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A handshake message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeMessage {
    /// Name: `ClientHello`.
    pub name: String,
    /// Number of the message type.
    pub number: u8,
    /// Length without the header of 4 bytes.
    pub bytes: u64,
    /// The contents.
    pub details: MessageDetails,
}

/// The contents of a handshake message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum MessageDetails {
    /// What the client offers.
    ClientHello(Box<ClientHello>),
    /// What the server selected.
    ServerHello(Box<ServerHello>),
    /// A ServerHello that requests another ClientHello (RFC 8446 section 4.1.4).
    HelloRetryRequest {
        /// The selected version.
        version: String,
        /// The selected suite.
        suite: String,
        /// The group for which a key share is requested; null if none is.
        group: Option<String>,
        /// Length of the cookie to send back, bytes; null without one.
        cookie_bytes: Option<u64>,
        /// The extensions, in order.
        extensions: Vec<Extension>,
    },
    /// Responses to extensions of the ClientHello that are not needed to establish keys (TLS 1.3).
    EncryptedExtensions {
        /// The selected application protocol; null if none was.
        alpn: Option<String>,
        /// Whether early data was accepted.
        early_data: bool,
        /// The extensions, in order.
        extensions: Vec<Extension>,
    },
    /// A certificate chain, leaf first.
    Certificate {
        /// The certificates; empty if a client has none.
        chain: Vec<Certificate>,
    },
    /// The server asks for a client's certificate.
    CertificateRequest {
        /// Accepted signature schemes.
        signature_schemes: Vec<String>,
        /// Accepted authorities; empty if any is accepted.
        authorities: Vec<String>,
    },
    /// A signature over the handshake so far.
    CertificateVerify {
        /// Signature scheme.
        scheme: String,
        /// Length of the signature, bytes.
        signature_bytes: u64,
    },
    /// The stapled status of the certificate (OCSP, TLS 1.2).
    CertificateStatus {
        /// Length of the OCSP response, bytes.
        response_bytes: u64,
    },
    /// The server's half of an ephemeral key exchange, signed (TLS 1.2).
    ServerKeyExchange {
        /// Group of the key.
        group: String,
        /// Length of the public key, bytes.
        public_key_bytes: u64,
        /// Signature scheme.
        scheme: String,
        /// Length of the signature, bytes.
        signature_bytes: u64,
    },
    /// The server waits for the client (TLS 1.2).
    ServerHelloDone,
    /// The client's half of the key exchange (TLS 1.2).
    ClientKeyExchange {
        /// Length of the public key, bytes.
        public_key_bytes: u64,
    },
    /// A MAC over all messages of the handshake.
    Finished {
        /// Length of the MAC, bytes.
        verify_data_bytes: u64,
    },
    /// A ticket with which a later connection can resume this session.
    NewSessionTicket {
        /// Lifetime, seconds.
        lifetime_s: u64,
        /// Length of the ticket, bytes.
        ticket_bytes: u64,
        /// Maximum early data, bytes (TLS 1.3); null if none is allowed.
        max_early_data_bytes: Option<u64>,
    },
    /// The sender's keys change (TLS 1.3).
    KeyUpdate {
        /// Whether the receiver must update its keys too.
        requested: bool,
    },
    /// The end of early data (TLS 1.3).
    EndOfEarlyData,
    /// The server requests a new handshake (TLS 1.2).
    HelloRequest,
    /// A message whose contents are not parsed.
    Other,
    /// A malformed message.
    Unreadable {
        /// What is wrong.
        because: String,
    },
}

/// What a client offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientHello {
    /// The legacy version field, which is TLSv1.2 in TLS 1.3 too.
    pub legacy_version: String,
    /// 32 random bytes in hexadecimal.
    pub random: String,
    /// Length of the session id, bytes. In TLS 1.3 it is random and only for middleboxes.
    pub session_id_bytes: u64,
    /// Versions, the preferred one first.
    pub versions: Vec<String>,
    /// Suites by IANA name, the preferred one first.
    pub suites: Vec<String>,
    /// Groups for the key exchange, the preferred one first.
    pub groups: Vec<String>,
    /// Public keys that it sends in advance.
    pub key_shares: Vec<KeyShare>,
    /// Signature schemes that it can verify.
    pub signature_schemes: Vec<String>,
    /// Server name (SNI); null if not sent.
    pub server_name: Option<String>,
    /// Application protocols (ALPN).
    pub alpn: Vec<String>,
    /// Length of the TLS 1.2 ticket, bytes; 0 requests a ticket, null means that the extension is absent.
    pub session_ticket_bytes: Option<u64>,
    /// Key exchange modes for pre-shared keys, i.e. TLS 1.3 tickets.
    pub psk_modes: Vec<String>,
    /// Length of each TLS 1.3 ticket that it offers to resume with, bytes.
    pub psk_identities_bytes: Vec<u64>,
    /// Whether it sends early data.
    pub early_data: bool,
    /// The extensions, in order.
    pub extensions: Vec<Extension>,
}

/// What the server selected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerHello {
    /// The legacy version field.
    pub legacy_version: String,
    /// 32 random bytes in hexadecimal.
    pub random: String,
    /// Length of the session id, bytes. In TLS 1.3 it echoes the client's; in TLS 1.2 it can be used to resume the session.
    pub session_id_bytes: u64,
    /// The selected version.
    pub version: String,
    /// The selected suite, by its IANA name.
    pub suite: String,
    /// The server's public key (TLS 1.3); null without one.
    pub key_share: Option<KeyShare>,
    /// Index of the client's pre-shared key that it resumes with (TLS 1.3), from 0; null if none.
    pub psk: Option<u16>,
    /// The selected application protocol (TLS 1.2); null in TLS 1.3, where it is encrypted.
    pub alpn: Option<String>,
    /// The extensions, in order.
    pub extensions: Vec<Extension>,
}

/// A public key for a key exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyShare {
    /// The group.
    pub group: String,
    /// Length of the key, bytes.
    pub bytes: u64,
}

/// An extension of a hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// Name in the IANA registry: `supported_groups`.
    pub name: String,
    /// Number in the IANA registry.
    pub number: u16,
    /// Length of the contents, bytes.
    pub bytes: u64,
}

/// An X.509 certificate (RFC 5280).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Type and size of the key: `ecdsa-p256`, `rsa-2048`.
    pub key: String,
    /// Signature algorithm: `ecdsa-with-SHA256`.
    pub signature_algorithm: String,
    /// Start of its validity, RFC 3339.
    pub not_before: String,
    /// End of its validity, RFC 3339.
    pub not_after: String,
    /// Subject alternative names.
    pub names: Vec<String>,
    /// Whether it may sign other certificates.
    pub is_ca: bool,
    /// Length of its DER encoding, bytes.
    pub der_bytes: u64,
    /// Why it could not be parsed; null if it could.
    pub unreadable: Option<String>,
}
