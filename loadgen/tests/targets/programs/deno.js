// Echoes with Deno (fastwebsockets over rustls) over wss:// and ws://, and counts how its connections ended.
// Usage: deno run --allow-net --allow-read deno.js CERTIFICATE KEY WSS_PORT WS_PORT
const [certificate, key, wssPort, wsPort] = Deno.args;
const closes = { clean: 0, unclean: 0, example: '' };

function answer(request) {
  if (request.headers.get('upgrade') !== 'websocket') return Response.json(closes);
  const { socket, response } = Deno.upgradeWebSocket(request);
  let failure = '';
  socket.binaryType = 'arraybuffer';
  socket.onmessage = (event) => socket.send(event.data);
  socket.onerror = (event) => (failure = event.message);
  socket.onclose = (event) => {
    const clean = event.code === 1000 && event.wasClean && failure === '';
    closes[clean ? 'clean' : 'unclean'] += 1;
    if (!clean) closes.example = `code ${event.code} ${failure}`;
  };
  return response;
}

function serve(port, tls) {
  return Deno.serve({ hostname: '127.0.0.1', port: Number(port), onListen() {}, ...tls }, answer);
}

serve(wsPort, {});
const wss = serve(wssPort, { cert: Deno.readTextFileSync(certificate), key: Deno.readTextFileSync(key) });
console.log(`listening on wss://127.0.0.1:${wss.addr.port}/`);
