/** Durable runs from the outside: real processes, a real database, the scripted model. */

import { expect, test } from 'vitest';
import { aCompany, call, says } from '../support/durable.ts';

const company = aCompany();

test('a run is recorded step by step', async () => {
  await company.it.script(
    says(call('look', 'c1', { n: 1 }), call('mail', 'c2', { n: 2 })),
    says('done'),
  );
  const answer = await company.it.run('run', { workflow_id: 'w' });
  expect(answer).toMatchObject({ status: 'completed', output: 'done', requests: 2, tokens: 22 });
  expect(await company.it.rows('select key, status from timestep.steps order by key')).toEqual([
    { key: 'm::0', status: 'done' },
    { key: 'm::1', status: 'done' },
    { key: 't:/c1', status: 'done' },
    { key: 't:/c2', status: 'done' },
  ]);
  expect(company.it.effects('end').map(([, , key]) => key)).toEqual(['w/c1', 'w/c2']);
});
