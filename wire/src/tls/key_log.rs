//! `--key-log FILE`: writes the secrets of every session in the format of SSLKEYLOGFILE. The writer of rustls takes the
//! file name from the environment only.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use rustls::KeyLog;

/// Writes one line per secret.
#[derive(Debug)]
pub(super) struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    /// Opens a file for appending; a new file is readable by its owner only.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = File::options();
        options.append(true).create(true).mode(0o600);
        let file = options.open(path).with_context(|| {
            format!("cannot open {} for the key log; choose another file with --key-log", path.display())
        })?;
        Ok(Self(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        // An error such as a full disk must not fail the handshake.
        if let Ok(mut file) = self.0.lock() {
            let _ = file.write_all(line.as_bytes());
        }
    }
}
