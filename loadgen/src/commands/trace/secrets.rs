//! The session's own secrets, and the decryption of its records: what Wireshark does with SSLKEYLOGFILE.
//!
//! A record counts as decrypted only if its AEAD tag verifies, so nothing is guessed: the current keys are tried first,
//! then those that can follow them. KeyUpdate, rejected early data and the change from handshake to application keys need
//! no bookkeeping.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::tls13::OkmBlock;
use rustls::{CipherSuite, KeyLog, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};
use wss_model::trace_result::Direction;

/// Bytes of a nonce of every AEAD in TLS.
const NONCE: usize = 12;

/// A secret of a connection: its label, the connection's client random, the secret.
type LoggedSecret = (String, Vec<u8>, Vec<u8>);

/// The secrets of the client's connections, as rustls logs them.
pub(super) struct Secrets {
    logged: Mutex<Vec<LoggedSecret>>,
    /// A second log that gets every secret (`--key-log`).
    next: Arc<dyn KeyLog>,
}

impl fmt::Debug for Secrets {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let logged = (label.to_owned(), client_random.to_vec(), secret.to_vec());
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).push(logged);
        self.next.log(label, client_random, secret);
    }
}

impl Secrets {
    /// An empty log that passes every secret on to `next`.
    pub(super) fn beside(next: Arc<dyn KeyLog>) -> Self {
        Self { logged: Mutex::default(), next }
    }

    /// All secrets so far.
    pub(super) fn logged(&self) -> Vec<LoggedSecret> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the hellos determined.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Whether it is TLS 1.3; `None` before the ServerHello.
    pub(super) is_1_3: Option<bool>,
    pub(super) suite: Option<u16>,
    pub(super) client_random: Vec<u8>,
    pub(super) server_random: Vec<u8>,
}

/// A decrypted record.
pub(super) struct Decrypted {
    /// The label of the secret that decrypted it.
    pub(super) secret: String,
    pub(super) sequence: u64,
    pub(super) content_type: u8,
    pub(super) content: Vec<u8>,
    pub(super) padding: usize,
}

/// Decrypts the records of one direction.
pub(super) struct Decrypter {
    direction: Direction,
    secrets: Vec<LoggedSecret>,
    suites: Vec<SupportedCipherSuite>,
    keys: Option<Keys>,
}

impl Decrypter {
    pub(super) fn new(direction: Direction, secrets: Vec<LoggedSecret>, suites: Vec<SupportedCipherSuite>) -> Self {
        Self { direction, secrets, suites, keys: None }
    }

    /// Decrypts a record.
    ///
    /// # Errors
    /// Why it could not be decrypted.
    pub(super) fn open(&mut self, header: [u8; 5], body: &[u8], facts: &Facts) -> Result<Decrypted, String> {
        if let Some(opened) = self.keys.as_mut().and_then(|keys| keys.open(header, body)) {
            return Ok(opened);
        }
        let candidates = if facts.is_1_3 == Some(false) { self.keys_1_2(facts)? } else { self.keys_1_3(facts) };
        if candidates.is_empty() && self.keys.is_none() {
            return Err("its secret is not known".to_owned());
        }
        for mut keys in candidates {
            if let Some(opened) = keys.open(header, body) {
                self.keys = Some(keys);
                return Ok(opened);
            }
        }
        Err("its authentication tag does not verify with any key of the session".to_owned())
    }

    /// The secret with this label of this connection.
    fn secret(&self, label: &str, facts: &Facts) -> Option<&Vec<u8>> {
        let found = self.secrets.iter().find(|(known, random, _)| known == label && *random == facts.client_random);
        found.map(|(_, _, secret)| secret)
    }

    /// The keys of TLS 1.3 that can follow the current ones (RFC 8446 section 7.3).
    fn keys_1_3(&self, facts: &Facts) -> Vec<Keys> {
        let labels: &[&str] = match self.direction {
            Direction::Sent => {
                &["CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"]
            }
            Direction::Received => &["SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"],
        };
        let in_use = self.keys.as_ref().and_then(|keys| labels.iter().position(|label| *label == keys.label));
        // After the last label only a key update can follow.
        let updated = self.keys.as_ref().and_then(Keys::updated).into_iter();
        let first = match (&self.keys, in_use) {
            (None, _) => 0,
            (Some(_), Some(index)) => index + 1,
            (Some(_), None) => labels.len(),
        };
        let later = labels[first..].iter().filter_map(|label| Some((*label, self.secret(label, facts)?)));
        let later = later.flat_map(|(label, secret)| {
            self.suites.iter().filter_map(move |suite| match suite {
                // Early data uses the suite of the resumed session, which no ServerHello names.
                SupportedCipherSuite::Tls13(suite)
                    if suite.common.hash_provider.output_len() == secret.len()
                        && (label == "CLIENT_EARLY_TRAFFIC_SECRET"
                            || facts.suite == Some(u16::from(suite.common.suite))) =>
                {
                    Keys::of_1_3(label, secret, suite)
                }
                _ => None,
            })
        });
        updated.chain(later).collect()
    }

    /// The one set of keys of a direction in TLS 1.2 (RFC 5246 section 6.3).
    fn keys_1_2(&self, facts: &Facts) -> Result<Vec<Keys>, String> {
        if self.keys.is_some() {
            return Ok(Vec::new());
        }
        let Some(master) = self.secret("CLIENT_RANDOM", facts) else { return Ok(Vec::new()) };
        let suite = self.suites.iter().find_map(|suite| match suite {
            SupportedCipherSuite::Tls12(suite) if facts.suite == Some(u16::from(suite.common.suite)) => Some(*suite),
            _ => None,
        });
        let suite = suite.ok_or("its cipher suite was not offered")?;
        Ok(Keys::of_1_2(self.direction, master, suite, facts).into_iter().collect())
    }
}

/// How the nonce and the additional data of a record are formed.
enum NonceForm {
    /// RFC 8446 section 5.3: the IV XOR the sequence number; the header is authenticated.
    V1_3 { secret: Vec<u8>, suite: &'static Tls13CipherSuite },
    /// RFC 5288: the record carries eight bytes of the nonce.
    V1_2Explicit,
    /// RFC 7905: the IV XOR the sequence number.
    V1_2Implicit,
}

/// Keys of one direction.
struct Keys {
    label: String,
    form: NonceForm,
    key: LessSafeKey,
    iv: Vec<u8>,
    sequence: u64,
}

impl Keys {
    fn of_1_3(label: &str, secret: &[u8], suite: &'static Tls13CipherSuite) -> Option<Self> {
        let algorithm = algorithm(suite.common.suite)?;
        let key = UnboundKey::new(algorithm, &expand_label(suite, secret, "key", algorithm.key_len())?).ok()?;
        Some(Self {
            label: label.to_owned(),
            iv: expand_label(suite, secret, "iv", NONCE)?,
            form: NonceForm::V1_3 { secret: secret.to_vec(), suite },
            key: LessSafeKey::new(key),
            sequence: 0,
        })
    }

    /// The next generation, after a KeyUpdate (RFC 8446 section 7.2).
    fn updated(&self) -> Option<Self> {
        let NonceForm::V1_3 { secret, suite } = &self.form else { return None };
        let (name, generation) = self.label.split_once("SECRET_")?;
        let generation = generation.parse::<u64>().ok()?.checked_add(1)?;
        let secret = expand_label(suite, secret, "traffic upd", secret.len())?;
        Self::of_1_3(&format!("{name}SECRET_{generation}"), &secret, suite)
    }

    fn of_1_2(direction: Direction, master: &[u8], suite: &'static Tls12CipherSuite, facts: &Facts) -> Option<Self> {
        let algorithm = algorithm(suite.common.suite)?;
        let shape = suite.aead_alg.key_block_shape();
        let mut block = vec![0; 2 * (shape.enc_key_len + shape.fixed_iv_len)];
        let seed = [facts.server_random.as_slice(), &facts.client_random].concat();
        suite.prf_provider.for_secret(&mut block, master, b"key expansion", &seed);
        let (keys, ivs) = block.split_at(2 * shape.enc_key_len);
        let (client_key, server_key) = keys.split_at(shape.enc_key_len);
        let (client_iv, server_iv) = ivs.split_at(shape.fixed_iv_len);
        let (key, iv) = match direction {
            Direction::Sent => (client_key, client_iv),
            Direction::Received => (server_key, server_iv),
        };
        Some(Self {
            label: "CLIENT_RANDOM".to_owned(),
            form: if iv.len() == NONCE { NonceForm::V1_2Implicit } else { NonceForm::V1_2Explicit },
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?),
            iv: iv.to_vec(),
            sequence: 0,
        })
    }

    /// Decrypts a copy of a record, if it was encrypted with these keys.
    fn open(&mut self, header: [u8; 5], body: &[u8]) -> Option<Decrypted> {
        let tag = self.key.algorithm().tag_len();
        let (nonce, sealed) = match self.form {
            NonceForm::V1_2Explicit => {
                let (explicit, sealed) = body.split_at_checked(NONCE.checked_sub(self.iv.len())?)?;
                ([&self.iv, explicit].concat(), sealed)
            }
            _ => (masked(&self.iv, self.sequence), body),
        };
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let mut additional = header.to_vec();
        if !matches!(self.form, NonceForm::V1_3 { .. }) {
            let length = u16::try_from(sealed.len().checked_sub(tag)?).ok()?;
            additional = [&self.sequence.to_be_bytes(), &header[..3], &length.to_be_bytes()].concat();
        }
        let mut content = sealed.to_vec();
        let length = self.key.open_in_place(nonce, Aad::from(additional), &mut content).ok()?.len();
        content.truncate(length);
        let sequence = self.sequence;
        self.sequence += 1;
        let (content_type, padding) = match self.form {
            NonceForm::V1_3 { .. } => inner_type(&mut content),
            _ => (header[0], 0),
        };
        Some(Decrypted { secret: self.label.clone(), sequence, content_type, content, padding })
    }
}

/// Removes and returns the content type and the padding after it (RFC 8446 section 5.4); an all-zero record has type 0.
fn inner_type(content: &mut Vec<u8>) -> (u8, usize) {
    let whole = content.len();
    let end = content.iter().rposition(|byte| *byte != 0);
    let content_type = end.map_or(0, |end| content[end]);
    content.truncate(end.unwrap_or(0));
    (content_type, whole.saturating_sub(content.len() + 1))
}

/// The IV with its last bytes XOR the sequence number.
fn masked(iv: &[u8], sequence: u64) -> Vec<u8> {
    let mut nonce = iv.to_vec();
    for (byte, mask) in nonce.iter_mut().rev().zip(sequence.to_be_bytes().iter().rev()) {
        *byte ^= mask;
    }
    nonce
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1), with the suite's own HKDF.
fn expand_label(suite: &Tls13CipherSuite, secret: &[u8], label: &str, length: usize) -> Option<Vec<u8>> {
    const PREFIX: &[u8] = b"tls13 ";
    if secret.len() > OkmBlock::MAX_LEN {
        return None;
    }
    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
    let mut output = vec![0; length];
    let name_length = u8::try_from(PREFIX.len() + label.len()).ok()?;
    let length = u16::try_from(length).ok()?.to_be_bytes();
    expander.expand_slice(&[&length, &[name_length], PREFIX, label.as_bytes(), &[0]], &mut output).ok()?;
    Some(output)
}

/// The AEAD of a suite, from aws-lc and not from the suite: outside rustls an `AeadKey` can only be made with 32 bytes
/// (0.23.46), so the suite's own decrypter is not usable for AES-128.
fn algorithm(suite: CipherSuite) -> Option<&'static Algorithm> {
    let name = tls_parser::TlsCipherSuite::from_id(u16::from(suite))?.name;
    let known =
        [("AES_128_GCM", &AES_128_GCM), ("AES_256_GCM", &AES_256_GCM), ("CHACHA20_POLY1305", &CHACHA20_POLY1305)];
    known.into_iter().find(|(part, _)| name.contains(part)).map(|(_, algorithm)| algorithm)
}
