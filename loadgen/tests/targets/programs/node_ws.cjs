// Echoes with Node's package `ws` over wss:// and ws://, and counts how its connections ended.
// Usage: node node_ws.cjs CERTIFICATE KEY WSS_PORT WS_PORT
'use strict';
const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { WebSocketServer } = require('ws');

const [certificate, key, wssPort, wsPort] = process.argv.slice(2);
const closes = { clean: 0, unclean: 0, example: '' };

function ended(clean, how) {
  closes[clean ? 'clean' : 'unclean'] += 1;
  if (!clean) closes.example = how;
}

function answer(request, response) {
  response.writeHead(200, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(closes));
}

function serve(server, port) {
  new WebSocketServer({ server }).on('connection', (socket) => {
    let failure = '';
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.on('error', (error) => (failure = String(error)));
    socket.on('close', (code) => ended(code === 1000 && failure === '', `code ${code} ${failure}`));
  });
  return new Promise((listening) => server.listen(port, '127.0.0.1', () => listening(server.address().port)));
}

const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
serve(https.createServer(tls, answer), wssPort).then(async (port) => {
  await serve(http.createServer(answer), wsPort);
  console.log(`listening on wss://127.0.0.1:${port}/`);
});
