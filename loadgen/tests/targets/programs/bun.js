// Echoes with Bun (uWebSockets over BoringSSL) over wss:// and ws://, and counts how its connections ended.
// Usage: bun bun.js CERTIFICATE KEY WSS_PORT WS_PORT
const [certificate, key, wssPort, wsPort] = process.argv.slice(2);
const closes = { clean: 0, unclean: 0, example: '' };

function serve(port, tls) {
  return Bun.serve({
    hostname: '127.0.0.1',
    port: Number(port),
    tls,
    fetch(request, server) {
      if (server.upgrade(request)) return undefined;
      return Response.json(closes);
    },
    websocket: {
      message(socket, message) {
        socket.send(message);
      },
      close(socket, code, reason) {
        closes[code === 1000 ? 'clean' : 'unclean'] += 1;
        if (code !== 1000) closes.example = `code ${code} ${reason}`;
      },
    },
  });
}

serve(wsPort);
const wss = serve(wssPort, { cert: Bun.file(certificate), key: Bun.file(key) });
console.log(`listening on wss://127.0.0.1:${wss.port}/`);
