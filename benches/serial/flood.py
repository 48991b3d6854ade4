"""Prints the 99th percentile, in milliseconds, of the round trips of one connection while another floods the server with
frames of one kind (pong, fragment or message). Usage: flood.py PORT KIND"""

import multiprocessing
import os
import socket
import sys
import threading
import time

PORT, KIND = int(sys.argv[1]), sys.argv[2]
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\0\0\0\0"
FLOODS = {
    "none": b"",
    "pong": b"\x8a\x80" + MASK,
    "fragment": b"\x00\x80" + MASK,
    "message": b"\x82\x81" + MASK + b"x",
}


def connect():
    client = socket.create_connection(("127.0.0.1", PORT))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(REQUEST)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1000)
    return client


def drain(client):
    while client.recv(1 << 20):
        pass


def flood():
    # Both clients share a CPU. The one that measures must not wait for it.
    os.nice(19)
    client = connect()
    threading.Thread(target=drain, args=(client,), daemon=True).start()
    if KIND == "fragment":
        client.sendall(b"\x02\x80" + MASK)
    while FLOODS[KIND]:
        client.sendall(FLOODS[KIND] * 1_000)


flooder = multiprocessing.Process(target=flood)
flooder.start()
try:
    try:
        # Nor for a turn of the scheduler, as far as that is allowed.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass
    time.sleep(0.5)
    client, trips, end = connect(), [], time.monotonic() + 3
    while time.monotonic() < end:
        sent = time.perf_counter()
        client.sendall(b"\x82\x81" + MASK + b"x")
        assert client.recv(100) == b"\x82\x01x"
        trips.append((time.perf_counter() - sent) * 1e3)
        time.sleep(0.001)
finally:
    flooder.kill()
    flooder.join()
trips.sort()
print(f"{trips[len(trips) * 99 // 100]:.2f}")
