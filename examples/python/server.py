"""Answers every TLS connection once with "Hello, World!" and closes it."""

import asyncio
import ssl


async def answer(reader, writer):
    request = await reader.read(100)
    print(f"received {request.decode()!r}")
    writer.write(b"Hello, World!")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("server.crt", "server.key")
    server = await asyncio.start_server(answer, "localhost", 8888, ssl=context)
    async with server:
        await server.serve_forever()


asyncio.run(main())
