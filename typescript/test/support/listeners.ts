/** Things on a port that are not the PostgreSQL that a client hopes for. */

import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

export interface Listener extends AsyncDisposable {
  readonly port: number;
  /** How many connections came. */
  count(): number;
}

/** Takes connections and never says a word. */
export function silentListener(): Promise<Listener> {
  return listen(createServer(() => {}));
}

/** A web server. */
export function webServer(): Promise<Listener> {
  return listen(createHttpServer((_request, response) => response.end('hello')));
}

/** Closes every connection at once. */
export function slammingListener(): Promise<Listener> {
  return listen(createServer((socket) => socket.destroy()));
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  await using listener = await silentListener();
  return listener.port;
}

/** Where the certificate lies that tlsFront shows; it is for wrong.example. */
export const CERTIFICATE = join(import.meta.dirname, 'tls/certificate.pem');

/** A PostgreSQL with TLS: takes the client's encryption off and passes the rest on. */
export function tlsFront(serverUrl: string): Promise<Listener> {
  const { hostname, port } = new URL(serverUrl);
  const key = readFileSync(join(import.meta.dirname, 'tls/key.pem'));
  const cert = readFileSync(CERTIFICATE);
  const front = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (request) => {
      // An SSLRequest is eight bytes; anything else is a client without TLS, which is not let in.
      if (request.length !== 8) return socket.end(refusal());
      socket.write('S');
      pass(new TLSSocket(socket, { isServer: true, key, cert }), connect(Number(port), hostname));
    });
  });
  return listen(front);
}

function pass(client: Socket, server: Socket): void {
  client.pipe(server).pipe(client);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
}

/** What a server says that takes encrypted logins only. */
function refusal(): Buffer {
  const fields = 'SFATAL\0C28000\0Mno pg_hba.conf entry, no encryption\0\0';
  const message = Buffer.alloc(5 + fields.length);
  message.write('E');
  message.writeInt32BE(4 + fields.length, 1);
  message.write(fields, 5);
  return message;
}

async function listen(server: Server): Promise<Listener> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    count += 1;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}
