//! The messages of a TLS handshake (RFC 8446 section 4, RFC 5246 section 7.4), with the names that these give them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A handshake message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeMessage {
    /// Its name: `ClientHello`.
    pub name: String,
    /// The number of its type.
    pub number: u8,
    /// Its bytes without the header of 4.
    pub bytes: u64,
    /// What it says.
    pub details: MessageDetails,
}

/// What a handshake message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum MessageDetails {
    /// What the client offers.
    ClientHello(Box<ClientHello>),
    /// What the server chose.
    ServerHello(Box<ServerHello>),
    /// A ServerHello that asks for another ClientHello (RFC 8446 section 4.1.4).
    HelloRetryRequest {
        /// Version it will be.
        version: String,
        /// Suite it will be.
        suite: String,
        /// The group for which a key share is asked; null if it asks for something else.
        group: Option<String>,
        /// Bytes of a cookie that is to be sent back.
        cookie_bytes: Option<u64>,
        /// Its extensions, in order.
        extensions: Vec<Extension>,
    },
    /// Answers to the ClientHello that need not be read before there are keys (TLS 1.3).
    EncryptedExtensions {
        /// The application protocol that was chosen.
        alpn: Option<String>,
        /// Whether early data was accepted.
        early_data: bool,
        /// Its extensions, in order.
        extensions: Vec<Extension>,
    },
    /// A certificate chain, leaf first.
    Certificate {
        /// The certificates; none if a client has none to show.
        chain: Vec<Certificate>,
    },
    /// The server asks for a client's certificate.
    CertificateRequest {
        /// Signature schemes that it takes.
        signature_schemes: Vec<String>,
        /// Authorities whose certificates it takes; none: any.
        authorities: Vec<String>,
    },
    /// A signature over the handshake so far.
    CertificateVerify {
        /// Its scheme.
        scheme: String,
        /// Its bytes.
        signature_bytes: u64,
    },
    /// A status of the certificate that comes with it (OCSP stapling, TLS 1.2).
    CertificateStatus {
        /// Bytes of the OCSP response.
        response_bytes: u64,
    },
    /// The server's half of an ephemeral key exchange, signed (TLS 1.2).
    ServerKeyExchange {
        /// Group of the key.
        group: String,
        /// Bytes of the public key.
        public_key_bytes: u64,
        /// Scheme of the signature.
        scheme: String,
        /// Bytes of the signature.
        signature_bytes: u64,
    },
    /// The server waits for the client now (TLS 1.2).
    ServerHelloDone,
    /// The client's half of the key exchange (TLS 1.2).
    ClientKeyExchange {
        /// Bytes of the public key.
        public_key_bytes: u64,
    },
    /// A MAC over all messages of the handshake.
    Finished {
        /// Bytes of the MAC.
        verify_data_bytes: u64,
    },
    /// What a later connection can resume this session with.
    NewSessionTicket {
        /// How long it may be used, in seconds.
        lifetime_s: u64,
        /// Bytes of the ticket.
        ticket_bytes: u64,
        /// Bytes of early data that it allows (TLS 1.3).
        max_early_data_bytes: Option<u64>,
    },
    /// The sender's keys change (TLS 1.3).
    KeyUpdate {
        /// Whether the receiver shall change its own as well.
        requested: bool,
    },
    /// The end of early data (TLS 1.3).
    EndOfEarlyData,
    /// The server asks for a new handshake (TLS 1.2).
    HelloRequest,
    /// A message whose content is not taken apart here.
    Other,
    /// A message that breaks the rules of its form.
    Unreadable {
        /// What is wrong with it.
        because: String,
    },
}

/// What a client offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientHello {
    /// The version in the old place, which is TLSv1.2 for TLS 1.3 as well.
    pub legacy_version: String,
    /// 32 random bytes in hexadecimal.
    pub random: String,
    /// Bytes of the session identifier; in TLS 1.3 random, for middleboxes.
    pub session_id_bytes: u64,
    /// Versions, the preferred one first.
    pub versions: Vec<String>,
    /// Suites, the preferred one first, as IANA names them.
    pub suites: Vec<String>,
    /// Groups for the key exchange, the preferred one first.
    pub groups: Vec<String>,
    /// Public keys that it sends along already.
    pub key_shares: Vec<KeyShare>,
    /// Signature schemes that it can verify.
    pub signature_schemes: Vec<String>,
    /// The name of the server that it wants (SNI).
    pub server_name: Option<String>,
    /// Application protocols (ALPN).
    pub alpn: Vec<String>,
    /// Bytes of a ticket of TLS 1.2; 0 asks for one, null offers none.
    pub session_ticket_bytes: Option<u64>,
    /// How a pre-shared key, that is a ticket of TLS 1.3, may be used.
    pub psk_modes: Vec<String>,
    /// Bytes of each ticket of TLS 1.3 that it wants to resume with.
    pub psk_identities_bytes: Vec<u64>,
    /// Whether early data follows at once.
    pub early_data: bool,
    /// Its extensions, in order.
    pub extensions: Vec<Extension>,
}

/// What a server chose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerHello {
    /// The version in the old place.
    pub legacy_version: String,
    /// 32 random bytes in hexadecimal.
    pub random: String,
    /// Bytes of the session identifier: in TLS 1.3 the client's again, in TLS 1.2 what a session can be resumed with.
    pub session_id_bytes: u64,
    /// The version.
    pub version: String,
    /// The suite, as IANA names it.
    pub suite: String,
    /// The server's public key (TLS 1.3).
    pub key_share: Option<KeyShare>,
    /// Which of the client's pre-shared keys it resumes with (TLS 1.3), from 0.
    pub psk: Option<u16>,
    /// The application protocol (TLS 1.2; TLS 1.3 tells it encrypted).
    pub alpn: Option<String>,
    /// Its extensions, in order.
    pub extensions: Vec<Extension>,
}

/// A public key for a key exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyShare {
    /// Its group.
    pub group: String,
    /// Its bytes.
    pub bytes: u64,
}

/// An extension of a hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// The name in IANA's registry: `supported_groups`.
    pub name: String,
    /// The number there.
    pub number: u16,
    /// Bytes of what it says.
    pub bytes: u64,
}

/// An X.509 certificate (RFC 5280).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Kind and size of its key: `ecdsa-p256`, `rsa-2048`.
    pub key: String,
    /// How it was signed: `ecdsa-with-SHA256`.
    pub signature_algorithm: String,
    /// When it begins to be valid, RFC 3339.
    pub not_before: String,
    /// When it ends to be valid, RFC 3339.
    pub not_after: String,
    /// The names and addresses that it is for (subject alternative names).
    pub names: Vec<String>,
    /// Whether it may sign other certificates.
    pub is_ca: bool,
    /// Its bytes in DER.
    pub der_bytes: u64,
    /// Why it could not be taken apart; null if it could.
    pub unreadable: Option<String>,
}
