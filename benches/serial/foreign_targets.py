"""Checks what wssbench reports of servers that are not its own. Usage: foreign_targets.py TARGET_FOLDER

CPU time: `/proc/PID/task/*/schedstat` is read before and after a run and compared with the CPU time of its messages. The
window includes the start of the run, opening and closing. So the load is 3 s of messages at a rate that uses a large part
of a CPU, on 8 connections, whose handshakes are about 1% of it.

Round trip: the median service time of a paced load is compared with that of a client of tokio-tungstenite under the same
load, in blocks of four runs in the order ABBA. Both clients sleep while they wait, on one thread of the same CPU.
"""

import glob
import json
import os
import pathlib
import platform
import socket
import statistics
import subprocess
import sys
import tempfile

TARGET = pathlib.Path(sys.argv[1])
RELEASE, CI = TARGET / "release", TARGET / "ci"
PROGRAMS = pathlib.Path(__file__).resolve().parents[2] / "loadgen/tests/targets/programs"
MODULES = CI / "node/node_modules"
ARM = platform.machine() != "x86_64"
SERVER_CPU, CLIENT_CPU = "0", "1"
CPU_TOLERANCE, P50_TOLERANCE = 0.05, 0.10
BLOCKS = 3
PACED = {"connections": 10, "rate": 500, "seconds": 2, "size": 64}

SERVERS = {
    # Its command, and messages per second that use a large part of a CPU.
    "Node ws": (["node", PROGRAMS / "node_ws.cjs"], 8000),
    "Bun": ([MODULES / f"@oven/bun-linux-{'aarch64' if ARM else 'x64'}/bin/bun", PROGRAMS / "bun.js"], 15000),
    "Deno": (
        [MODULES / f"@deno/linux-{'arm64' if ARM else 'x64'}-glibc/deno", "run", "--no-config", "--no-lock"]
        + ["--allow-net=127.0.0.1", "--allow-read", PROGRAMS / "deno.js"],
        10000,
    ),
    "Python websockets": ([CI / "bin/python3", PROGRAMS / "python_websockets.py"], 3000),
    "tokio-tungstenite": ([RELEASE / "tungstenite", "serve"], 20000),
}
ENVIRONMENT = os.environ | {"NODE_PATH": str(MODULES), "DENO_DIR": str(CI / "deno"), "DENO_NO_UPDATE_CHECK": "1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder):
    names = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.pem -days 2"
    subprocess.run(f"openssl req -x509 {key} {names}".split(), cwd=folder, check=True, capture_output=True)
    return folder / "server.pem", folder / "server.key"


def scheduled(pid):
    """CPU time of the living threads of a process, seconds."""
    return sum(int(open(path).read().split()[0]) for path in glob.glob(f"/proc/{pid}/task/*/schedstat")) / 1e9


def wssbench(port, ca, options):
    """The result of a run, which may be invalid because the machine was disturbed, but has no errors."""
    command = [RELEASE / "wssbench", "run", f"wss://127.0.0.1:{port}/", "--ca", ca, "--json", "--out", ca.with_name("result.json")]
    command += ["--client-cpus", CLIENT_CPU, "--threads", "1", "--idle", "sleep", "--connect-rate", "100/s", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 3), done.stderr
    result = json.loads(done.stdout)
    assert result["errors"] == [], result["errors"]
    return result


def cpu_ratio(port, ca, pid, rate):
    """CPU time of the server by wssbench, divided by that of the scheduler."""
    before = scheduled(pid)
    load = ["--connections", "8", "--rate", f"{rate}/s", "--warmup", "0s", "--duration", "3s"]
    result = wssbench(port, ca, [*load, "--server-pid", str(pid)])
    echo, used = result["echo"], scheduled(pid) - before
    print(f"  {echo['received']} messages, {used:.2f} s of CPU time", end="; ")
    return echo["server_cpu_ns"] * echo["received"] / 1e9 / used


def p50_by_wssbench(port, ca):
    load = ["--connections", PACED["connections"], "--rate", f"{PACED['rate']}/s", "--size", f"{PACED['size']}B"]
    times = ["--warmup", "0s", "--duration", f"{PACED['seconds']}s"]
    return wssbench(port, ca, [str(option) for option in load + times])["echo"]["service"]["p50"] / 1e3


def p50_by_tungstenite(port, ca):
    options = [f"--{name}={value}" for name, value in PACED.items()]
    command = ["taskset", "-c", CLIENT_CPU, RELEASE / "tungstenite", "client", str(port), "--ca", ca, *options]
    median, count = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(count) == PACED["rate"] * PACED["seconds"], count
    return float(median)


def p50_ratio(port, ca):
    """The median round trip by wssbench, divided by that of tokio-tungstenite: the geometric mean of the blocks."""
    logs = []
    for _ in range(BLOCKS):
        first, second = p50_by_wssbench(port, ca), p50_by_tungstenite(port, ca)
        third, fourth = p50_by_tungstenite(port, ca), p50_by_wssbench(port, ca)
        logs.append(first * fourth / (second * third))
        print(f"  p50, µs: {first:.0f} {fourth:.0f} by wssbench, {second:.0f} {third:.0f} by tokio-tungstenite")
    return statistics.geometric_mean(logs) ** 0.5


def check(name, command, rate, folder):
    pem, key = certificate(folder)
    port = free_port()
    command = ["taskset", "-c", SERVER_CPU, *command, pem, key, str(port), str(free_port())]
    server = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        assert "wss://" in server.stdout.readline(), "it does not listen"
        print(name)
        cpu = cpu_ratio(port, pem, server.pid, rate)
        print(f"{cpu:.3f} of it by wssbench")
        p50 = p50_ratio(port, pem)
        print(f"  p50 by wssbench / by tokio-tungstenite: {p50:.3f}")
    finally:
        server.terminate()
        server.wait()
    return abs(cpu - 1) <= CPU_TOLERANCE and abs(p50 - 1) <= P50_TOLERANCE


failed = []
for name, (command, rate) in SERVERS.items():
    with tempfile.TemporaryDirectory() as folder:
        if not check(name, command, rate, pathlib.Path(folder)):
            failed.append(name)
sys.exit(f"beyond the tolerance: {', '.join(failed)}" if failed else 0)
