#!/usr/bin/env bash
# A server that stalls for 200 ms of every second must be blamed for it, whatever the number of messages in flight. The
# response times follow from arithmetic: a fifth of the messages is planned during a stall and waits for its end, so that
# the 90th percentile is 100 ms and the 99th is 190 ms; and behind those planned before it in the same stall, of which the
# server has 400 to answer, each for the CPU time that it spends per message. With Poisson arrivals the number of messages
# per stall varies by chance: the 90th percentile has a standard error of 1.4% over 10 s.
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
# A message planned in the middle of a stall has half of the backlog before it, which is answered faster than other messages:
# several at a time.
backlog = 400 * echo["server_cpu_ns"]
bounds = {"p90": (100e6, 100e6 + 0.5 * backlog), "p99": (190e6, 190e6 + 0.05 * backlog)}
nearest = {name: min(max(echo["response"][name], low), high) for name, (low, high) in bounds.items()}
ratios = {name: echo["response"][name] / value for name, value in nearest.items()}
print(
    sys.argv[2] + ":",
    ", ".join(f"{name} {echo['response'][name] / 1e6:.1f} ms, {ratio:.3f} of what is expected" for name, ratio in ratios.items()),
    "| lateness p99 {:.3f} ms".format(echo["lateness"]["p99"] / 1e6),
    "| mean parts, ms:", ", ".join(f"{name[:-3]} {value:.3f}" for name, value in parts.items()),
    "|", codes or "valid",
)
limits = {"p90": 0.02 if sys.argv[2].startswith("even") else 0.042, "p99": 0.02}
assert not blamed, codes
assert all(abs(ratio - 1) <= limits[name] for name, ratio in ratios.items()), ratios
# A fifth of the messages arrives in bursts, of which the generator has half before it.
bursts = 0.2 * 0.5 * 400 * echo["client_cpu_ns"] / 1e6
assert parts["generator_ns"] + parts["unknown_ns"] < 0.01 * sum(parts.values()) + bursts, (parts, bursts)
PYTHON
    done
done
