//! Every command of `docs/TUTORIAL.md`, in one shell and in the order of the document.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::peer;

/// Runs `wssbench`. A busy machine may make a result invalid, which is exit code 3.
const WRAPPER: &str = "#!/bin/sh\n\
    [ \"$1\" = serve ] && exec \"$REAL\" \"$@\"\n\
    \"$REAL\" \"$@\"\n\
    code=$?\n\
    [ $code -eq 3 ] || exit $code\n";

/// The commands between ```` ```sh ```` and ```` ``` ````.
fn commands(document: &str) -> String {
    let blocks = document.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_of_the_tutorial_succeeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let document = std::fs::read_to_string(root.join("docs/TUTORIAL.md")).unwrap();
    // The document uses a port of its own; here it may be in use.
    let port = peer::nobody().port().to_string();
    for name in ["client.py", "server.py"] {
        let program = std::fs::read_to_string(root.join("examples/python").join(name)).unwrap();
        assert!(program.contains("8888"));
        std::fs::write(folder.path().join(name), program.replace("8888", &port)).unwrap();
    }
    let wrapper = folder.path().join("wssbench");
    std::fs::write(&wrapper, WRAPPER).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script =
        format!("trap 'kill $(jobs -p) 2>/dev/null' EXIT\nset -e\n{}", commands(&document)).replace("8888", &port);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("REAL", env!("CARGO_BIN_EXE_wssbench"))
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{script}\n{out}\n{err}", output.status);
    // Python to Python, and Python to wssbench; each server says what it received, too.
    assert!(out.matches("received 'Hello, World!'").count() >= 4, "{out}");
    assert!(out.contains("13 + 1 (type) + 16 (tag) = 30 bytes") && out.contains("header 17 03 03 00 1e"), "{out}");
}
