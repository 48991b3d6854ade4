"""Sends "Hello, World!" over TLS and prints the reply."""

import asyncio
import ssl


async def main():
    context = ssl.create_default_context(cafile="server.crt")
    reader, writer = await asyncio.open_connection("localhost", 8888, ssl=context)
    writer.write(b"Hello, World!")
    await writer.drain()
    reply = await reader.read(100)
    print(f"received {reply.decode()!r}")
    writer.close()
    await writer.wait_closed()


asyncio.run(main())
