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

/** The same, with the names that a function tells when it is given an option that does not exist. */
async function withOptions(source: string, call: Callable): Promise<string> {
  const given = parameters(source);
  const checked = /checkOptions\((\w+),/.exec(source)?.[1];
  if (checked === undefined) return given;
  const names = given.split(', ');
  const place = names.indexOf(checked);
  try {
    await call(...([...Array(place).fill(''), { '?': true }] as never[]));
  } catch (error) {
    const options = /there are (.*)\.$/.exec((error as Error).message)?.[1];
    names[place] = `{ ${options} }`;
  }
  return names.join(', ');
}

for (const [name, value] of Object.entries({ ...timestep, ...testing })) {
  if (typeof value !== 'function') continue;
  const source = String(value);
  if (!source.startsWith('class')) {
    found[name] = await withOptions(source, value as Callable);
    continue;
  }
  const made = source.search(/^ +constructor\(/m);
  if (made >= 0) {
    const construct = (...given: never[]) => Reflect.construct(value, given);
    found[name] = await withOptions(source.slice(made), construct);
  }
  for (const method of Object.getOwnPropertyNames(value.prototype)) {
    const described = Object.getOwnPropertyDescriptor(value.prototype, method)?.value;
    if (method !== 'constructor' && typeof described === 'function') {
      found[`${name}.${method}`] = parameters(String(described as Callable));
    }
  }
}
console.log(JSON.stringify(found));
