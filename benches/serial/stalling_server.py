#!/usr/bin/env python3
"""A TCP echo server that stalls: for STALL of every PERIOD seconds it neither reads nor writes.

Prints the URL where it listens, and ends when its standard input closes.
"""

import selectors
import socket
import sys
import time

period, stall = float(sys.argv[1]), float(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
listener.setblocking(False)
ready = selectors.DefaultSelector()
ready.register(listener, selectors.EVENT_READ)
ready.register(sys.stdin, selectors.EVENT_READ)
print(f"tcp://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
start = time.monotonic()
while True:
    into = (time.monotonic() - start) % period
    if into < stall:
        time.sleep(stall - into)
    # Wakes up for the next stall, so that none is late.
    for key, _ in ready.select(timeout=period - (time.monotonic() - start) % period):
        if key.fileobj is listener:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(connection, selectors.EVENT_READ)
        elif key.fileobj is sys.stdin:
            if not sys.stdin.read(1):
                sys.exit()
        else:
            data = key.fileobj.recv(65536)
            if data:
                key.fileobj.sendall(data)
            else:
                ready.unregister(key.fileobj)
                key.fileobj.close()
