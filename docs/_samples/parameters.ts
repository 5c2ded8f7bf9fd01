/** Prints the parameters of every public function, constructor and method as JSON. */

import * as timestep from '@timestep-ai/timestep';
import * as testing from '@timestep-ai/timestep/testing';

type Callable = (...given: never[]) => unknown;

const found: Record<string, string> = {};

/** What stands between the parentheses, without defaults, other names inside, and line breaks. */
function parameters(source: string): string {
  const start = source.indexOf('(') + 1;
  let open = 1;
  let end = start;
  while (open > 0) {
    const character = source[end++];
    if (character === '(') open += 1;
    if (character === ')') open -= 1;
  }
  return source
    .slice(start, end - 1)
    .replace(/\s+/g, ' ')
    .replace(/ = (\{\}|\[\]|(['"]).*?\2|[\w.]+)/g, '')
    .replace(/(\w+): \w+/g, '$1')
    .replace(/,? \}/g, ' }')
    .trim();
}

for (const [name, value] of Object.entries({ ...timestep, ...testing })) {
  if (typeof value !== 'function') continue;
  const source = String(value);
  if (!source.startsWith('class')) {
    found[name] = parameters(source);
    continue;
  }
  const made = source.search(/^ +constructor\(/m);
  if (made >= 0) found[name] = parameters(source.slice(made));
  for (const method of Object.getOwnPropertyNames(value.prototype)) {
    const described = Object.getOwnPropertyDescriptor(value.prototype, method)?.value;
    if (method !== 'constructor' && typeof described === 'function') {
      found[`${name}.${method}`] = parameters(String(described as Callable));
    }
  }
}
console.log(JSON.stringify(found));
