/** What a process says about itself, and the names that follow from it. */

import { afterEach, expect, test } from 'vitest';
import {
  configuration,
  configureDBOS,
  forgetConfiguration,
} from '../../src/durable/configuration.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { withEnvironment } from '../support/environment.ts';

afterEach(forgetConfiguration);

test('names follow from the name', () => {
  configureDBOS({ name: 'shop' });
  const configured = configuration();
  expect(configured.application).toBe('shop-ts');
  expect(configured.applicationVersion).toBe('shop-ts@journal-1');
  expect(configured.queue(undefined)).toBe('shop-ts.agents');
  expect(configured.queue('narrow', 'python')).toBe('shop-py.narrow');
  expect(configured.leaseSeconds).toBe(30);
});

test('the name comes from the environment where none is given', () =>
  withEnvironment({ TIMESTEP_APP_NAME: 'from_there' }, () => {
    expect(configuration().application).toBe('from_there-ts');
  }));

test('without a name the application is called timestep', () =>
  withEnvironment({}, () => {
    expect(configuration().application).toBe('timestep-ts');
  }));

test.each([
  [{ name: 'Upper' }, /name is 'Upper'/],
  [{ name: '' }, /name is ''/],
  [{ leaseSeconds: 0 }, /leaseSeconds is 0/],
  [{ leaseSeconds: Number.NaN }, /leaseSeconds is NaN/],
])('%o is refused', (given, words) => {
  expect(() => configureDBOS(given)).toThrow(ConfigurationError);
  expect(() => configureDBOS(given)).toThrow(words);
});

test('a wrong name in the environment is refused by its own name', () =>
  withEnvironment({ TIMESTEP_APP_NAME: 'a b' }, () => {
    expect(() => configuration()).toThrow(/TIMESTEP_APP_NAME is 'a b'/);
  }));

test('the same may be said again, and nothing else', () => {
  const queues = { narrow: { concurrency: 1 } };
  configureDBOS({ name: 'shop', queues, leaseSeconds: 5 });
  configureDBOS({ queues: { narrow: { concurrency: 1 } } });
  configureDBOS();
  expect(() => configureDBOS({ leaseSeconds: 6 })).toThrow(/leaseSeconds: it is 5, now 6/);
  expect(() => configureDBOS({ queues: {} })).toThrow(/another queues/);
});

test('no message repeats an address', () => {
  configureDBOS({ systemDatabaseUrl: 'postgresql://u:secret@127.0.0.1/d' });
  const other = { systemDatabaseUrl: 'postgresql://u:hidden@127.0.0.1/e' };
  expect(() => configureDBOS(other)).toThrow(/another systemDatabaseUrl\. Configure once/);
});
