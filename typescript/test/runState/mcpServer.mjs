// A server of the Model Context Protocol over standard input and output, with one tool.
import { createInterface } from 'node:readline';

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'stock', version: '1' },
  }),
  'tools/list': () => ({
    tools: [
      {
        name: 'count',
        description: 'Counts.',
        inputSchema: { type: 'object', properties: { sku: { type: 'string' } }, required: ['sku'] },
      },
    ],
  }),
  'tools/call': ({ arguments: args }) => ({ content: [{ type: 'text', text: `7 of ${args.sku}` }] }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result = answers[method]?.(params ?? {}) ?? {};
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
}
