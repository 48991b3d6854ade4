//! Named values of the TLS options.

use crate::named_choice;

named_choice! {
    /// A version of TLS.
    TlsVersion {
        /// RFC 5246.
        V1_2 = "1.2",
        /// RFC 8446.
        V1_3 = "1.3",
    }
}

named_choice! {
    /// A cipher suite by its rustls name; the IANA name, the OpenSSL name and a short form are read too.
    Suite {
        /// 0x1301, IANA: TLS_AES_128_GCM_SHA256.
        Aes128Gcm = "TLS13_AES_128_GCM_SHA256" | "TLS_AES_128_GCM_SHA256" | "aes-128-gcm" | "aes128",
        /// 0x1302, IANA: TLS_AES_256_GCM_SHA384.
        Aes256Gcm = "TLS13_AES_256_GCM_SHA384" | "TLS_AES_256_GCM_SHA384" | "aes-256-gcm" | "aes256",
        /// 0x1303, IANA: TLS_CHACHA20_POLY1305_SHA256.
        ChaCha20 = "TLS13_CHACHA20_POLY1305_SHA256" | "TLS_CHACHA20_POLY1305_SHA256" | "chacha20-poly1305" | "chacha20",
        /// 0xc02b, TLS 1.2 only.
        EcdsaAes128Gcm = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" | "ECDHE-ECDSA-AES128-GCM-SHA256" | "ecdsa-aes128",
        /// 0xc02c, TLS 1.2 only.
        EcdsaAes256Gcm = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" | "ECDHE-ECDSA-AES256-GCM-SHA384" | "ecdsa-aes256",
        /// 0xcca9, TLS 1.2 only.
        EcdsaChaCha20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" | "ECDHE-ECDSA-CHACHA20-POLY1305" | "ecdsa-chacha20",
        /// 0xc02f, TLS 1.2 only.
        RsaAes128Gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" | "ECDHE-RSA-AES128-GCM-SHA256" | "rsa-aes128",
        /// 0xc030, TLS 1.2 only.
        RsaAes256Gcm = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" | "ECDHE-RSA-AES256-GCM-SHA384" | "rsa-aes256",
        /// 0xcca8, TLS 1.2 only.
        RsaChaCha20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" | "ECDHE-RSA-CHACHA20-POLY1305" | "rsa-chacha20",
    }
}

impl Suite {
    /// The version that defines the suite.
    pub const fn version(self) -> TlsVersion {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20 => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        }
    }

    /// Whether a server with this kind of key can use the suite: a TLS 1.2 suite names the kind of key.
    pub const fn goes_with(self, certificate: CertificateKind) -> bool {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20 => true,
            Self::EcdsaAes128Gcm | Self::EcdsaAes256Gcm | Self::EcdsaChaCha20 => {
                !certificate.is_rsa() && !certificate.is_post_quantum()
            }
            Self::RsaAes128Gcm | Self::RsaAes256Gcm | Self::RsaChaCha20 => certificate.is_rsa(),
        }
    }
}

named_choice! {
    /// A key exchange group ("supported group", RFC 8446 section 4.2.7).
    Group {
        /// RFC 7748.
        X25519 = "X25519",
        /// NIST P-256.
        Secp256r1 = "secp256r1" | "P-256" | "P256" | "prime256v1",
        /// NIST P-384.
        Secp384r1 = "secp384r1" | "P-384" | "P384",
        /// X25519 and ML-KEM-768 combined: post-quantum, TLS 1.3 only.
        X25519MlKem768 = "X25519MLKEM768",
        /// P-256 and ML-KEM-768 combined: post-quantum, TLS 1.3 only.
        Secp256r1MlKem768 = "secp256r1MLKEM768",
        /// ML-KEM-768: post-quantum, TLS 1.3 only.
        MlKem768 = "MLKEM768",
        /// ML-KEM-1024: post-quantum, TLS 1.3 only.
        MlKem1024 = "MLKEM1024",
    }
}

impl Group {
    /// Whether the group resists quantum computers; TLS 1.2 has no such group.
    pub const fn is_post_quantum(self) -> bool {
        !matches!(self, Self::X25519 | Self::Secp256r1 | Self::Secp384r1)
    }
}

named_choice! {
    /// The kind of key of a certificate.
    CertificateKind {
        /// ECDSA over NIST P-256.
        EcdsaP256 = "ecdsa-p256",
        /// ECDSA over NIST P-384.
        EcdsaP384 = "ecdsa-p384",
        /// EdDSA over Curve25519 (RFC 8032).
        Ed25519 = "ed25519",
        /// RSA with 2,048 bits.
        Rsa2048 = "rsa-2048",
        /// RSA with 3,072 bits.
        Rsa3072 = "rsa-3072",
        /// RSA with 4,096 bits.
        Rsa4096 = "rsa-4096",
        /// ML-DSA-44 (FIPS 204): post-quantum, TLS 1.3 only.
        MlDsa44 = "ml-dsa-44",
        /// ML-DSA-65.
        MlDsa65 = "ml-dsa-65",
        /// ML-DSA-87.
        MlDsa87 = "ml-dsa-87",
    }
}

impl CertificateKind {
    /// Whether the key is an RSA key.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether the signature resists quantum computers; TLS 1.2 has no such signature.
    pub const fn is_post_quantum(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }
}

named_choice! {
    /// The provider of cryptography.
    ProviderKind {
        /// AWS-LC through aws-lc-rs.
        AwsLcRs = "aws-lc-rs" | "aws-lc",
        /// ring.
        Ring = "ring",
        /// Graviola, which requires AVX2, ADX and other CPU features.
        Graviola = "graviola",
    }
}

named_choice! {
    /// How a session is resumed.
    ResumeBy {
        /// The client stores the session in an encrypted ticket; the server stores nothing (RFC 5077, RFC 8446 section 4.6.1).
        Ticket = "ticket",
        /// TLS 1.3: the server stores the session, and the ticket is its identifier.
        Stateful = "stateful",
        /// TLS 1.2: the server stores the session by its session ID (RFC 5246 section 7.4.1.2).
        SessionId = "session-id",
    }
}

named_choice! {
    /// How much of the peer's certificate the client verifies.
    Verify {
        /// The chain up to a trusted CA, the name and the handshake signature.
        Full = "full",
        /// The handshake signature only, not the chain and the name.
        NoChain = "no-chain",
        /// Nothing.
        None = "none",
    }
}

impl Verify {
    /// What is not verified, as a sentence for reports; `None` if everything is.
    pub const fn skips(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::NoChain => Some("certificate chain and name were not verified"),
            Self::None => Some("certificate chain, name and handshake signature were not verified"),
        }
    }
}

named_choice! {
    /// Which cryptographic operations are timed, to split the busy time.
    CostSplit {
        /// None: the provider is used unwrapped.
        Off = "off",
        /// Key exchange, signing and verifying.
        Handshake = "handshake",
        /// Those, plus record AEAD, hashes and key derivation.
        All = "all",
    }
}
