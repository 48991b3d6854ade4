//! `--key-log FILE`: the secrets of every session, in the form of SSLKEYLOGFILE. rustls' own writer takes the name of
//! the file from the environment alone.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use rustls::KeyLog;

/// Writes one line a secret.
#[derive(Debug)]
pub(super) struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    /// Appends to a file, which is made if it is not there, for its owner alone.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = File::options();
        options.append(true).create(true).mode(0o600);
        let file = options.open(path).with_context(|| format!("opening {} for the key log", path.display()))?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // A full disk must not fail a handshake; the file then ends with a whole line.
        if let Ok(mut file) = self.0.lock() {
            let _ = file.write_all(line.as_bytes());
        }
    }
}
