//! The `openssl` command: its certificates and its server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";

/// Runs `openssl` with these arguments, separated by spaces.
pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let made = made.unwrap_or_else(|error| panic!("openssl does not start ({error}): this test needs it installed"));
    assert!(made.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&made.stderr));
}

/// A CA with a server certificate for 127.0.0.1 and a client certificate, in a temporary folder.
pub(crate) struct Pki(TempDir);

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = "-keyout ca.key -out ca.pem -subj /CN=Root -addext basicConstraints=critical,CA:TRUE";
        openssl(folder.path(), &format!("req -x509 {KEY} {root}"));
        for (name, extension) in [("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
        {
            openssl(
                folder.path(),
                &format!(
                    "req -x509 {KEY} -CA ca.pem -CAkey ca.key -keyout {name}.key -out {name}.pem -subj /CN={name} \
                     -addext basicConstraints=critical,CA:FALSE -addext {extension}"
                ),
            );
        }
        Self(folder)
    }

    /// The path of one of its files, as an argument.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `openssl s_server` with these arguments. It accepts one connection at a time and reverses lines.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        serve_in(self.0.path(), arguments)
    }
}

/// `openssl s_server` with `server.pem` and `server.key` of a folder.
pub(crate) fn serve_in(folder: &Path, arguments: &[&str]) -> Server {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", "server.pem", "-key", "server.key", "-rev"]);
    command.args(arguments).current_dir(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // It prints `ACCEPT 127.0.0.1:port` as soon as it listens, unless it is quiet.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let accept = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
    // Reads the rest of its output, so that its pipe never fills.
    std::thread::spawn(move || lines.for_each(drop));
    Server { url: format!("tls://{}", accept.expect("it does not listen")), child }
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
