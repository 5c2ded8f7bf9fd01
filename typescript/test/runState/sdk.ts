/** The SDK's own converters, driven from outside: a model client against a server that answers what it is told. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AgentInputItem, OpenAIProvider, setTracingDisabled, withTrace } from '@openai/agents';
import type { WireItem } from '../../src/runState/items.ts';

export interface Echo extends AsyncDisposable {
  /** What the SDK sends for these items. */
  sent(items: AgentInputItem[]): Promise<WireItem[]>;
  /** What the SDK makes of these items in a model's answer. */
  received(items: WireItem[]): Promise<AgentInputItem[]>;
}

export async function openEcho(): Promise<Echo> {
  setTracingDisabled(true);
  let body: { input: WireItem[] } = { input: [] };
  let output: WireItem[] = [];
  const server: Server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    body = JSON.parse(text);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'resp_1', object: 'response', status: 'completed', output }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const provider = new OpenAIProvider({
    apiKey: 'test',
    baseURL: `http://127.0.0.1:${port}/v1`,
    useResponses: true,
  });
  const model = await provider.getModel('gpt-test');
  const ask = (input: AgentInputItem[]) =>
    withTrace('test', () =>
      model.getResponse({
        input,
        modelSettings: {},
        tools: [],
        outputType: 'text',
        handoffs: [],
        tracing: false,
      }),
    );
  return {
    async sent(items) {
      output = [];
      await ask(items);
      return body.input;
    },
    async received(items) {
      output = items;
      return (await ask([])).output as AgentInputItem[];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
