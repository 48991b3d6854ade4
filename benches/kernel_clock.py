#!/usr/bin/env python3
"""Compares the kernel's clock of results with packets: FOLDER [OUTPUT]. See kernel_clock.sh."""

import collections
import gzip
import json
import pathlib
import statistics
import sys

LIMIT_SHARE, LIMIT_NS = 0.03, 5_000
# Each with the mode that measures it.
PHASES = {"connect": "handshake", "tls": "handshake", "upgrade": "handshake", "first_echo": "handshake", "service": "echo"}


def latencies(lines):
    """Nanoseconds by phase, from the packets of all connections that reached an echo."""
    streams = collections.defaultdict(list)
    for line in lines:
        stream, time, source, syn, ack, length, handshake, request, response, frame = line.rstrip("\n").split("\t")
        seconds, nanoseconds = time.split(".")
        streams[stream].append(
            {
                "ns": int(seconds) * 1_000_000_000 + int(nanoseconds.ljust(9, "0")[:9]),
                "from": source,
                "syn": syn in ("1", "True"),
                "ack": ack in ("1", "True"),
                "length": int(length),
                "handshake": handshake.split(","),
                "request": bool(request),
                "response": bool(response),
                # Opcodes of data; closing is not a message.
                "message": any(opcode in ("1", "2") for opcode in frame.split(",")),
            }
        )
    found = collections.defaultdict(list)
    for packets in streams.values():
        one = of_connection(packets)
        for phase, values in one.items():
            found[phase] += values
    return found


def of_connection(packets):
    """The phases of one connection; nothing if the capture does not have all of them."""
    client = next((packet["from"] for packet in packets if packet["syn"] and not packet["ack"]), None)
    first = lambda condition: next((packet for packet in packets if condition(packet)), None)
    is_client = lambda packet: packet["from"] == client
    syn = first(lambda packet: packet["syn"] and not packet["ack"])
    syn_ack = first(lambda packet: packet["syn"] and packet["ack"])
    hello = first(lambda packet: is_client(packet) and "1" in packet["handshake"])
    finished = first(lambda packet: is_client(packet) and "20" in packet["handshake"])
    request = first(lambda packet: is_client(packet) and packet["request"])
    response = first(lambda packet: not is_client(packet) and packet["response"])
    if not all([syn, syn_ack, hello, finished, request, response]):
        return {}
    flight = [
        packet for packet in packets if not is_client(packet) and packet["length"] and hello["ns"] < packet["ns"] <= finished["ns"]
    ]
    messages = [packet for packet in packets if packet["message"]]
    # One message in flight per connection: each is followed by its echo.
    pairs = list(zip(messages[::2], messages[1::2]))
    if not flight or not pairs or not all(is_client(sent) and not is_client(echo) for sent, echo in pairs):
        return {}
    echoes = [echo["ns"] - sent["ns"] for sent, echo in pairs]
    return {
        "connect": [syn_ack["ns"] - syn["ns"]],
        "tls": [flight[-1]["ns"] - hello["ns"]],
        "upgrade": [response["ns"] - request["ns"]],
        "first_echo": echoes[:1],
        "service": echoes,
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    results = {mode: json.loads((folder / f"{mode}.json").read_text()) for mode in set(PHASES.values())}
    packets = {mode: latencies(open(folder / f"{mode}.tsv")) for mode in results}
    rows, failures = [], []
    for phase, mode in PHASES.items():
        clocks, values = results[mode][mode]["kernel_clock"][phase], packets[mode][phase]
        count = clocks["wire"]["count"]
        assert len(values) == count > 0, f"{phase}: {len(values)} captured, {count} in the result"
        tool, generator, wire = (clocks[name]["p50"] for name in ("tool", "generator", "wire"))
        packet = statistics.median(values)
        difference = wire - packet
        is_close = abs(difference) <= max(LIMIT_SHARE * packet, LIMIT_NS)
        rows.append(
            f"| {phase} | {count} | {tool / 1e3:.1f} | {generator / 1e3:.1f} | {wire / 1e3:.1f} | {len(values)} | "
            f"{packet / 1e3:.1f} | {difference / 1e3:+.1f} ({100 * difference / packet:+.1f}%) |"
        )
        if not is_close:
            failures.append(phase)
    head = "| phase | samples | tool p50 | generator p50 | wire p50 | packets | packets p50 | wire − packets |"
    table = "\n".join([head, "| --- |" + " ---: |" * 7, *rows])
    print("Medians in µs:\n\n" + table)
    if len(sys.argv) > 2:
        with gzip.open(sys.argv[2], "wt") as file:
            json.dump({"table": table, "results": results, "packets_ns": packets}, file)
    if failures:
        sys.exit(f"further apart than {LIMIT_SHARE:.0%} and {LIMIT_NS // 1000} µs: {', '.join(failures)}")


main()
