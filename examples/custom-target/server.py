#!/usr/bin/env python3
"""A wss echo server in Python's standard library: a target to measure, not one to use.

    python3 server.py cert.pem key.pem [PORT]
"""

import base64
import hashlib
import socket
import ssl
import struct
import sys
import threading

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
MAX_HEAD = 16 * 1024
MAX_MESSAGE = 16 * 1024 * 1024
TIMEOUT = 60  # seconds, of every wait for the peer
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def upgrade(connection, stream):
    """The opening handshake (RFC 6455, section 4.2)."""
    fields, size = {}, 0
    while (line := stream.readline(MAX_HEAD)).strip():
        size += len(line)
        if size > MAX_HEAD:
            raise ValueError("request head too large")
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    key = fields.get(b"sec-websocket-key")
    if key is None:
        connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n")
        return False
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return True


def read(stream, length):
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def read_frame(stream):
    """One frame: whether it is final, its opcode, and its unmasked payload."""
    first, second = read(stream, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", read(stream, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", read(stream, 8))
    if length > MAX_MESSAGE or not second & 0x80:
        raise ValueError("frame too large or not masked")
    mask, payload = read(stream, 4), read(stream, length)
    repeated = (mask * (length // 4 + 1))[:length]
    unmasked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return bool(first & 0x80), first & 0x0F, unmasked.to_bytes(length, "big")


def frame(opcode, payload):
    length = len(payload)
    if length < 126:
        header = struct.pack("!BB", 0x80 | opcode, length)
    elif length < 1 << 16:
        header = struct.pack("!BBH", 0x80 | opcode, 126, length)
    else:
        header = struct.pack("!BBQ", 0x80 | opcode, 127, length)
    return header + payload


def echo(connection, stream):
    message, kind = bytearray(), BINARY
    while True:
        final, opcode, payload = read_frame(stream)
        if opcode == CLOSE:
            connection.sendall(frame(CLOSE, payload[:2]))
            return
        if opcode == PING:
            connection.sendall(frame(PONG, payload))
        elif opcode in (TEXT, BINARY, CONTINUATION):
            kind = opcode if opcode != CONTINUATION else kind
            message += payload
            if len(message) > MAX_MESSAGE:
                raise ValueError("message too large")
            if final:
                connection.sendall(frame(kind, bytes(message)))
                message.clear()


def serve(context, accepted):
    try:
        accepted.settimeout(TIMEOUT)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(accepted, server_side=True) as connection, connection.makefile("rb") as stream:
            if upgrade(connection, stream):
                echo(connection, stream)
            connection.unwrap()
    except (OSError, EOFError, ValueError):
        accepted.close()


def listen(context, listener):
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=serve, args=(context, accepted), daemon=True).start()


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    port = int(sys.argv[3]) if len(sys.argv) == 4 else 9001
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    # `localhost` is one of these or both, depending on the machine.
    listeners = [socket.create_server(("127.0.0.1", port), backlog=4096)]
    if socket.has_dualstack_ipv6():
        listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=4096))
    for listener in listeners:
        threading.Thread(target=listen, args=(context, listener), daemon=True).start()
    print(f"wss://localhost:{port}/", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
