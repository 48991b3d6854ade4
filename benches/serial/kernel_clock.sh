#!/usr/bin/env bash
# What the kernel's clock says of each phase (`--kernel-clock`) must agree with the packets: a capture of the same run,
# decrypted with its key log. Each median must be within 3% or 5 µs. Captures on the loopback device, so it needs root or
# CAP_NET_RAW, and tshark.
#
#   kernel_clock.sh [FILE]    also writes the table, the result and the packets' latencies to FILE (gzip)
set -euo pipefail
cd "$(dirname "$0")"
wssbench="${CARGO_TARGET_DIR:-../../target}/release/wssbench"
folder=$(mktemp -d)
capture=''
finish() {
    [ -z "$capture" ] || kill "$capture" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

# The first bytes of a packet are enough for its headers, but not for decryption.
tshark -q -i lo -f tcp -w "$folder/packets.pcapng" 2>"$folder/tshark.log" &
capture=$!
for _ in $(seq 100); do
    ! grep -q "Capturing on" "$folder/tshark.log" || break
    kill -0 "$capture" || { cat "$folder/tshark.log"; exit 1; }
    sleep 0.1
done
sleep 1

"$wssbench" run --connections 200 --connect-rate 100/s --rate 2000/s --duration 5s --kernel-clock all \
    --key-log "$folder/keys.log" --out "$folder/result.json" >"$folder/run.log" 2>&1 ||
    [ $? -eq 3 ] || { cat "$folder/run.log"; exit 1; }
sleep 1
kill -INT "$capture"
wait "$capture" || true
capture=''

tshark -r "$folder/packets.pcapng" -o "tls.keylog_file:$folder/keys.log" -o tcp.relative_sequence_numbers:TRUE \
    -T fields -e tcp.stream -e frame.time_epoch -e tcp.srcport -e tcp.dstport -e tcp.flags.syn -e tcp.flags.ack \
    -e tcp.len -e tls.handshake.type -e http.request.method -e http.response.code -e websocket.opcode \
    >"$folder/packets.tsv" 2>/dev/null
python3 kernel_clock.py "$folder/result.json" "$folder/packets.tsv" ${1:+"$1"}
