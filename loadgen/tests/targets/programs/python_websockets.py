"""Echoes with Python's `websockets` over wss:// and ws://, and counts how its connections ended and what its logger reports.

Usage: python_websockets.py CERTIFICATE KEY WSS_PORT WS_PORT
"""

import asyncio
import http
import json
import logging
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

closes = {"clean": 0, "unclean": 0, "example": ""}


def unclean(how):
    closes["unclean"] += 1
    closes["example"] = how


class Reports(logging.Handler):
    """Counts warnings and errors of the library, except those of connections that never sent a request."""

    def emit(self, record):
        if record.getMessage() != "opening handshake failed":
            unclean(record.getMessage())


async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed as closed:
        unclean(str(closed))
        return
    await socket.wait_closed()
    if socket.close_code == 1000:
        closes["clean"] += 1
    else:
        unclean(f"code {socket.close_code}")


def answer(connection, request):
    if "Upgrade" not in request.headers:
        return connection.respond(http.HTTPStatus.OK, json.dumps(closes))


async def main():
    logger = logging.getLogger("websockets")
    logger.addHandler(Reports(logging.WARNING))
    logger.propagate = False
    certificate, key, wss_port, ws_port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    options = {"host": "127.0.0.1", "process_request": answer}
    async with serve(echo, port=int(ws_port), **options):
        async with serve(echo, port=int(wss_port), ssl=context, **options) as server:
            print(f"listening on wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
            await asyncio.Future()


asyncio.run(main())
