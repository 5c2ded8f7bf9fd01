// biome-ignore-all lint/suspicious/noExplicitAny: what the agents are lies in JSON
/** The agents of all durable runs here, as TypeScript defines them. company.py is the same. */

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, handoff, tool } from '@openai/agents';
import { durableTool, idempotencyKey } from '@timestep-ai/timestep';
import type { Json } from '../serving.ts';

const SPEC: Json = JSON.parse(readFileSync(new URL('company.json', import.meta.url), 'utf8'));
const PARAMETERS = {
  type: 'object' as const,
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false as const,
};

export interface CompanyOptions {
  /**
   * The file that tools write to. A call of `wait` ends when a file of the same name with `.go`
   * exists.
   */
  journal: string;
  /** How long a call of a tool takes in seconds, for each name. Default: 0. */
  workSeconds: Record<string, number>;
  /** Called in the middle of each call, with the place of the call in its run. */
  inside: (place: string) => void;
}

/** Makes agents whose tools write to one journal. */
export class Company {
  readonly #options: CompanyOptions;

  constructor(options: CompanyOptions) {
    this.#options = options;
  }

  /** A set of agents with names of their own. */
  agents(name: string): Record<string, Agent<any, any>> {
    const made: Record<string, Agent<any, any>> = {};
    for (const [key, spec] of Object.entries<Json>(SPEC.agents)) {
      made[key] = new Agent<any, any>({
        name: `${key} ${name}`,
        instructions: `You are ${key}.`,
        model: 'gpt-5',
        tools: spec.tools.map((each: string) => this.#tool(each)),
      });
    }
    for (const [key, spec] of Object.entries<Json>(SPEC.agents)) {
      const agent = made[key] as Agent<any, any>;
      agent.handoffs = (spec.handoffs ?? []).map((target: string) =>
        handoff(made[target] as Agent<any, any>, {
          toolNameOverride: `transfer_to_${target}`,
          toolDescriptionOverride: `Hand over to ${target}.`,
        }),
      );
      for (const [toolName, target] of Object.entries<string>(spec.agents_as_tools ?? {})) {
        const inner = made[target] as Agent<any, any>;
        agent.tools.push(inner.asTool({ toolName, toolDescription: 'Finds out.' }));
      }
    }
    return made;
  }

  #tool(name: string) {
    const spec = SPEC.tools[name];
    const made = tool({
      name,
      description: `Does ${name}.`,
      parameters: structuredClone(PARAMETERS),
      needsApproval: spec.needs_approval ?? false,
      execute: async (input: unknown) => {
        const key = idempotencyKey();
        this.#note('start', name, key);
        this.#options.inside(key.slice(key.indexOf('/')));
        await sleep(1000 * (this.#options.workSeconds[name] ?? 0));
        if (spec.waits) await this.#toldToGo();
        this.#note('end', name, key);
        return spec.text.replace('{n}', String((input as Json).n));
      },
    });
    return durableTool(made, {
      atMostOnce: spec.at_most_once ?? false,
      ...(spec.when_unknown && { whenUnknown: spec.when_unknown }),
    });
  }

  #note(what: string, toolName: string, key: string): void {
    const entry = { what, tool: toolName, key, pid: process.pid, at: Date.now() / 1000 };
    appendFileSync(this.#options.journal, `${JSON.stringify(entry)}\n`);
  }

  async #toldToGo(): Promise<void> {
    while (!existsSync(`${this.#options.journal}.go`)) await sleep(10);
  }
}
