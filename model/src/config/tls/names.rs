//! What the options of TLS can be, by name.

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
    /// A cipher suite, by the name that rustls has for it; IANA's, OpenSSL's and a short one are understood too.
    Suite {
        /// 0x1301, IANA: TLS_AES_128_GCM_SHA256.
        Aes128Gcm = "TLS13_AES_128_GCM_SHA256" | "TLS_AES_128_GCM_SHA256" | "aes-128-gcm" | "aes128",
        /// 0x1302, IANA: TLS_AES_256_GCM_SHA384.
        Aes256Gcm = "TLS13_AES_256_GCM_SHA384" | "TLS_AES_256_GCM_SHA384" | "aes-256-gcm" | "aes256",
        /// 0x1303, IANA: TLS_CHACHA20_POLY1305_SHA256.
        ChaCha20 = "TLS13_CHACHA20_POLY1305_SHA256" | "TLS_CHACHA20_POLY1305_SHA256" | "chacha20-poly1305" | "chacha20",
        /// 0xc02b, TLS 1.2 alone.
        EcdsaAes128Gcm = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" | "ECDHE-ECDSA-AES128-GCM-SHA256" | "ecdsa-aes128",
        /// 0xc02c, TLS 1.2 alone.
        EcdsaAes256Gcm = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" | "ECDHE-ECDSA-AES256-GCM-SHA384" | "ecdsa-aes256",
        /// 0xcca9, TLS 1.2 alone.
        EcdsaChaCha20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" | "ECDHE-ECDSA-CHACHA20-POLY1305" | "ecdsa-chacha20",
        /// 0xc02f, TLS 1.2 alone.
        RsaAes128Gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" | "ECDHE-RSA-AES128-GCM-SHA256" | "rsa-aes128",
        /// 0xc030, TLS 1.2 alone.
        RsaAes256Gcm = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" | "ECDHE-RSA-AES256-GCM-SHA384" | "rsa-aes256",
        /// 0xcca8, TLS 1.2 alone.
        RsaChaCha20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" | "ECDHE-RSA-CHACHA20-POLY1305" | "rsa-chacha20",
    }
}

impl Suite {
    /// The one version that has it.
    pub const fn version(self) -> TlsVersion {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20 => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        }
    }

    /// Whether a server with this key can use it: TLS 1.2 names the kind of the key in the suite.
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
    /// A group for the key exchange ("supported group" of RFC 8446).
    Group {
        /// RFC 7748.
        X25519 = "X25519",
        /// NIST P-256.
        Secp256r1 = "secp256r1" | "P-256" | "prime256v1",
        /// NIST P-384.
        Secp384r1 = "secp384r1" | "P-384",
        /// X25519 and ML-KEM-768 together: post-quantum, TLS 1.3 alone.
        X25519MlKem768 = "X25519MLKEM768",
        /// P-256 and ML-KEM-768 together: post-quantum, TLS 1.3 alone.
        Secp256r1MlKem768 = "secp256r1MLKEM768",
        /// ML-KEM-768 by itself: post-quantum, TLS 1.3 alone.
        MlKem768 = "MLKEM768",
        /// ML-KEM-1024 by itself: post-quantum, TLS 1.3 alone.
        MlKem1024 = "MLKEM1024",
    }
}

impl Group {
    /// Whether a quantum computer does not break it; TLS 1.2 has no such group.
    pub const fn is_post_quantum(self) -> bool {
        !matches!(self, Self::X25519 | Self::Secp256r1 | Self::Secp384r1)
    }
}

named_choice! {
    /// The key of a certificate.
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
        /// ML-DSA-44 (FIPS 204): post-quantum, TLS 1.3 alone.
        MlDsa44 = "ml-dsa-44",
        /// ML-DSA-65.
        MlDsa65 = "ml-dsa-65",
        /// ML-DSA-87.
        MlDsa87 = "ml-dsa-87",
    }
}

impl CertificateKind {
    /// Whether its key is an RSA key.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// Whether a quantum computer does not break it; TLS 1.2 has no such signature.
    pub const fn is_post_quantum(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }
}

named_choice! {
    /// Whose cryptography.
    ProviderKind {
        /// AWS-LC through aws-lc-rs.
        AwsLcRs = "aws-lc-rs" | "aws-lc",
        /// ring.
        Ring = "ring",
        /// Graviola, which needs AVX2, ADX and more of the CPU.
        Graviola = "graviola",
    }
}

named_choice! {
    /// How a session goes on.
    ResumeBy {
        /// The session travels in an encrypted ticket and the server keeps nothing (RFC 5077; with TLS 1.3 RFC 8446 section 4.6.1).
        Ticket = "ticket",
        /// TLS 1.3: the server keeps the session, the ticket is its number.
        Stateful = "stateful",
        /// TLS 1.2: the server keeps the session by its identifier (RFC 5246 section 7.4.1.2).
        SessionId = "session-id",
    }
}

named_choice! {
    /// How much of the peer's certificate the client verifies.
    Verify {
        /// The chain up to a trusted CA, the name, and the handshake's signature.
        Full = "full",
        /// The handshake's signature alone: skips the chain and the name.
        NoChain = "no-chain",
        /// Nothing: skips the chain, the name and the handshake's signature.
        None = "none",
    }
}

impl Verify {
    /// What goes unchecked, in words; `None` if nothing does.
    pub const fn skips(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::NoChain => Some("the certificate's chain and name went unchecked"),
            Self::None => Some("the certificate's chain and name and the handshake's signature went unchecked"),
        }
    }
}

named_choice! {
    /// Which cryptography is timed, to tell where the busy time went.
    CostSplit {
        /// None of it: the provider is used as it is.
        Off = "off",
        /// Key exchange, signing, verifying.
        Handshake = "handshake",
        /// Those, the records' AEAD, hashes and key derivation.
        All = "all",
    }
}
