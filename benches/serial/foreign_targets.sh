#!/usr/bin/env bash
# Figures of servers that are not wssbench's, checked with other programs: the CPU time of the server with the scheduler's
# own account, and the median round trip with a client of tokio-tungstenite. Requires what `.ci/run` installs.
set -euo pipefail
cd "$(dirname "$0")"
target=$(realpath -m "${CARGO_TARGET_DIR:-../../target}")
exec python3 foreign_targets.py "$target"
