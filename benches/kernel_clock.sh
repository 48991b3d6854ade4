#!/usr/bin/env bash
# What the kernel's clock says of each phase (`--kernel-clock`) must agree with the packets: captures of the same runs,
# decrypted with their key logs. Each median must be within 3% or 5 µs. Captures on the loopback device, so it needs root
# or CAP_NET_RAW, and tshark.
#
#   kernel_clock.sh [FILE]    also writes the table, the results and the packets' latencies to FILE (gzip)
set -euo pipefail
output=${1:+$(realpath -m "$1")}
cd "$(dirname "$0")"
wssbench="${CARGO_TARGET_DIR:-../target}/release/wssbench"
folder=$(mktemp -d)
capture=''
finish() {
    [ -z "$capture" ] || kill "$capture" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

measure() { # MODE OPTION…
    local files="$folder/$1"
    tshark -q -i lo -f tcp -w "$files.pcapng" 2>"$files.log" &
    capture=$!
    for _ in $(seq 100); do
        ! grep -q "Capturing on" "$files.log" || break
        kill -0 "$capture" || { cat "$files.log"; exit 1; }
        sleep 0.1
    done
    # The first packets after that message are not yet captured.
    sleep 1
    "$wssbench" run --mode "$@" --warmup 0s --kernel-clock all --key-log "$files.keys" --out "$files.json" >"$files.run" 2>&1 ||
        [ $? -eq 3 ] || { cat "$files.run"; exit 1; }
    sleep 1
    kill -INT "$capture"
    wait "$capture" || true
    capture=''
    tshark -r "$files.pcapng" -o "tls.keylog_file:$files.keys" -T fields \
        -e tcp.stream -e frame.time_epoch -e tcp.srcport -e tcp.flags.syn -e tcp.flags.ack -e tcp.len \
        -e tls.handshake.type -e http.request.method -e http.response.code -e websocket.opcode \
        >"$files.tsv" 2>/dev/null
}

measure handshake --connect-rate 100/s --duration 4s
measure echo --connections 20 --connect-rate 100/s --rate 2000/s --duration 4s
python3 kernel_clock.py "$folder" ${output:+"$output"}
