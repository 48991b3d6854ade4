//! The name of a run in the upgrade request, by which a server tells its load generators apart.

use std::fmt;

/// The header field, for [`RunNonce`].
pub(super) const FIELD: &str = "x-wssbench-run";

/// A random number that names a run: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunNonce(u64);

impl RunNonce {
    /// The nonce with these random bits.
    pub fn new(random: u64) -> Self {
        Self(random)
    }

    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for RunNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
