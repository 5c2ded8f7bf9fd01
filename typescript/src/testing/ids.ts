/** Ids that depend on nothing but the script and the position, so two runs of it see the same ones. */

import { createHash } from 'node:crypto';

/** The letters with which OpenAI begins the id of an item of each type. */
export const ID_PREFIX: Record<string, string> = {
  message: 'msg',
  function_call: 'fc',
  function_call_output: 'fc',
  reasoning: 'rs',
  web_search_call: 'ws',
  file_search_call: 'fs',
  computer_call: 'cu',
  computer_call_output: 'cu',
  code_interpreter_call: 'ci',
  image_generation_call: 'ig',
  custom_tool_call: 'ctc',
  custom_tool_call_output: 'ctc',
  mcp_list_tools: 'mcpl',
  mcp_call: 'mcp',
  mcp_approval_request: 'mcpr',
  mcp_approval_response: 'mcpr',
  compaction: 'cmp',
};

/** `prefix_` and 32 hexadecimal digits. */
export function deterministicId(prefix: string, ...place: (string | number)[]): string {
  const digest = createHash('sha256').update(JSON.stringify([prefix, ...place]));
  return `${prefix}_${digest.digest('hex').slice(0, 32)}`;
}

/** The mark of the stub's own encrypted reasoning; any other ciphertext is foreign to it. */
export const CIPHER_MARK = 'stub-cipher:';
