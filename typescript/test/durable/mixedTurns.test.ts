/** Turns with several kinds of calls: whatever their order, the run ends. */

import { expect, test } from 'vitest';
import { aCompany, call, says } from '../support/durable.ts';

const company = aCompany();

const APPROVED = call('refund', 'c1', { n: 1 });
const NORMAL = call('look', 'c2', { n: 2 });
const HANDOFF = call('transfer_to_billing', 'c3');
const NESTED = call('research', 'c4', { input: '?' });

const MIXED = [
  { turn: [APPROVED, NORMAL], tools: ['look', 'refund'] },
  { turn: [NORMAL, APPROVED], tools: ['look', 'refund'] },
  { turn: [HANDOFF, NORMAL], tools: ['look'] },
  { turn: [NORMAL, HANDOFF], tools: ['look'] },
];

test.each(MIXED.flatMap((each) => [false, true].map((stream) => ({ ...each, stream }))))(
  'a mixed turn ends: $tools, streamed: $stream',
  async ({ turn, tools, stream }) => {
    await company.it.script(says(...turn), says('done'));
    const answer = await company.it.run('run', {
      workflow_id: 'w',
      stream,
      session_id: 's',
      timeout_seconds: 5,
    });
    expect(answer).toMatchObject({ status: 'completed', output: 'done' });
    expect(
      company.it
        .effects('end')
        .map(([, tool]) => tool)
        .sort(),
    ).toEqual(tools);
  },
);

test.each(['', 'inside:2', 'inside:3'])(
  'an approval inside a nested agent, killed at: %s',
  async (moment) => {
    await company.it.script(
      says(NESTED, NORMAL),
      says(call('fetch', 'n1', { n: 1 })),
      says(call('risky', 'n2', { n: 2 })),
      says('found'),
      says('done'),
    );
    if (moment) {
      expect(await company.it.runKilled(moment, { workflow_id: 'w' })).toBe(true);
      await company.it.rewindScript();
    }
    const answer = await company.it.run('run', { workflow_id: 'w' });
    expect(answer).toMatchObject({ status: 'completed', output: 'done', requests: 5 });
    const ended = company.it.effects('end').map(([, , key]) => key);
    expect(ended.sort()).toEqual(['w/c2', 'w/c4/n1', 'w/c4/n2']);
    const keys = await company.it.rows<{ key: string }>('select key from timestep.steps');
    expect(keys.map(({ key }) => key).sort()).toEqual([
      'm:/c4:0',
      'm:/c4:1',
      'm:/c4:2',
      'm::0',
      'm::1',
      't:/c2',
      't:/c4',
      't:/c4/n1',
      't:/c4/n2',
    ]);
  },
);
