/** The HTTP server: reads a request, finds who answers it, writes the answer and the journal. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import process from 'node:process';
import { type Answer, json, send } from './answer.ts';
import { chatDialect } from './chat.ts';
import { control } from './control.ts';
import { createConversation } from './conversations.ts';
import { firecrawlDialect } from './firecrawl.ts';
import { Journal } from './journal.ts';
import { answerModelCall, type Call, type Dialect, type Reply } from './model.ts';
import { ollamaChat, ollamaResponses } from './ollama.ts';
import { answerOllamaApi } from './ollamaApi.ts';
import { openaiError, Refusal } from './refusal.ts';
import { responsesDialect } from './responses.ts';
import { Scripts } from './scripts.ts';

const KEEP_ALIVE_MS = 600_000;

const MODEL_ROUTES: Record<string, Dialect> = {
  'POST /v1/responses': responsesDialect,
  'POST /v1/chat/completions': chatDialect,
  'POST /ollama/v1/responses': ollamaResponses('local'),
  'POST /ollama/v1/chat/completions': ollamaChat('local'),
  'POST /ollama-cloud/v1/responses': ollamaResponses('cloud'),
  'POST /ollama-cloud/v1/chat/completions': ollamaChat('cloud'),
  'POST /firecrawl/v2/search': firecrawlDialect,
};

/** A server that is not listening yet. */
export function createModelServer(): Server {
  const scripts = new Scripts();
  const journal = new Journal();
  const server = createServer((request, response) => {
    serve(request, response, scripts, journal).catch((error: unknown) => {
      process.emitWarning(`The model server failed: ${String((error as Error).stack ?? error)}`);
      const message = `The model server failed: ${String(error)}`;
      if (response.headersSent) return response.destroy();
      const headers = { 'Content-Type': 'application/json', 'x-should-retry': 'false' };
      response.writeHead(500, headers).end(JSON.stringify({ error: { message } }));
    });
  });
  // A held request waits as long as its test needs.
  server.requestTimeout = 0;
  // Closing an idle connection in the moment in which a client uses it again would fail a test.
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  scripts: Scripts,
  journal: Journal,
): Promise<void> {
  const text = await readText(request);
  const method = request.method ?? 'GET';
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  if (url.pathname.startsWith('/__')) {
    return send(response, await control({ method, url, text }, scripts, journal));
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const entry = journal.add({ method, path: request.url ?? '/', headers, body: text });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const call = { method, path: url.pathname, headers, text, entry, gone: gone.signal };
  const { answer, fault } = await replyTo(call, scripts);
  if (response.destroyed) return;
  // A request that never gets a byte has no status.
  if (!fault?.hang || fault.cut_after !== undefined) entry.status = answer.status;
  await send(response, answer, fault);
}

async function replyTo(call: Call, scripts: Scripts): Promise<Reply> {
  const dialect = MODEL_ROUTES[`${call.method} ${call.path}`];
  if (dialect) return answerModelCall(dialect, call, scripts);
  const [, prefix, path] = call.path.match(/^\/(ollama|ollama-cloud)(\/.*)$/) ?? [];
  if (path) {
    const place = prefix === 'ollama' ? 'local' : 'cloud';
    return { answer: answerOllamaApi(call, path, place, scripts) };
  }
  if (`${call.method} ${call.path}` === 'POST /v1/conversations')
    return { answer: createConversation(call, scripts) };
  return { answer: noSuchRoute(call) };
}

function noSuchRoute({ method, path }: Call): Answer {
  return json(404, openaiError(new Refusal(`Invalid URL (${method} ${path})`, { status: 404 })));
}

async function readText(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
