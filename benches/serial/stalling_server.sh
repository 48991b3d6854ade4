#!/usr/bin/env bash
# A server that stalls for 200 ms of every second must be blamed for it, whatever the number of messages in flight. The
# response times follow from arithmetic: a fifth of the messages is planned during a stall and waits for its end, so that
# the 90th percentile is 100 ms and the 99th is 190 ms. With Poisson arrivals the number of messages per stall varies by
# chance: the 90th percentile has a standard error of 1.4% over 10 s.
set -euo pipefail
cd "$(dirname "$0")"
wssbench="${CARGO_TARGET_DIR:-../../target}/release/wssbench"
result=$(mktemp) log=$(mktemp)
trap 'rm -f "$result" "$log"' EXIT

for arrivals in even poisson; do
    for in_flight in 1 4 8; do
        "$wssbench" run --server "python3 stalling_server.py 1 0.2" --connections 20 --connect-rate max \
            --rate 2000/s --arrivals "$arrivals" --in-flight "$in_flight" --duration 10s --warmup 1s \
            --overdue-timeout 2s --out "$result" >"$log" 2>&1 || [ $? -eq 3 ] || { cat "$log"; exit 1; }
        python3 - "$result" "$arrivals, $in_flight in flight" <<'PYTHON'
import json, sys

result = json.load(open(sys.argv[1]))
echo = result["echo"]
codes = [reason["code"] for reason in result["invalid_because"]]
blamed = [code for code in codes if code.startswith("generator")]
parts = {name: echo["breakdown"][name] / 1e6 for name in ("server_ns", "connection_ns", "generator_ns", "unknown_ns")}
ratios = {"p90": echo["response"]["p90"] / 100e6, "p99": echo["response"]["p99"] / 190e6}
print(
    sys.argv[2] + ":",
    ", ".join(f"{name} {ratio:.3f} of the expected value" for name, ratio in ratios.items()),
    "| lateness p99 {:.3f} ms".format(echo["lateness"]["p99"] / 1e6),
    "| mean parts, ms:", ", ".join(f"{name[:-3]} {value:.3f}" for name, value in parts.items()),
    "|", codes or "valid",
)
limits = {"p90": 0.02 if sys.argv[2].startswith("even") else 0.042, "p99": 0.02}
assert not blamed, codes
assert all(abs(ratio - 1) <= limits[name] for name, ratio in ratios.items()), ratios
assert parts["generator_ns"] + parts["unknown_ns"] < 0.02 * sum(parts.values()), parts
PYTHON
    done
done
