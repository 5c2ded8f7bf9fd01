/** Scripts: what the model says, step by step. Each model request takes the next step that fits it. */

import type { Fault } from './answer.ts';
import { Gates } from './gates.ts';
import type { OutputItem } from './items.ts';
import { includes, type Json, type JsonObject } from './json.ts';
import { Memory } from './memory.ts';
import { type OllamaOptions, OllamaState } from './ollamaState.ts';
import { scriptError } from './refusal.ts';

/** One answer of the scripted model. */
export interface Step {
  /** What the model says, thinks and calls (nothing). */
  output?: OutputItem[];
  /** Token counts in wire form; what is left out is derived from the sizes. */
  usage?: JsonObject;
  /**
   * Keeps the step for requests that hold a text: in the last user message, the model's name or
   * the instructions (a plain text is looked for in all three). For runs that ask in parallel.
   */
  match?: string | StepMatch;
  /** What the request's body must hold; a request without it is answered with 422. */
  expect?: JsonObject;
  /** The gate at which the request waits until it is released. */
  hold?: string;
  /** What goes wrong with the answer. */
  fault?: Fault;
  /** What a web search finds, such as `{web: [{url, title, description}]}`; for Firecrawl only. */
  search?: JsonObject;
  /** Fields that replace those of the response, such as `{"status": "incomplete"}`. */
  response?: JsonObject;
}

export interface StepMatch {
  text?: string;
  model?: string;
  instructions?: string;
}

export interface ScriptOptions {
  /** Takes every request as it is; the strict rules are off (false). */
  loose?: boolean;
  /** What the ids are made from instead of the script's own id. */
  seed?: string;
  /** Conversation ids that are known from the start (none). */
  conversations?: string[];
  /** The Ollama that the script stands for (a new one that has every model). */
  ollama?: OllamaOptions;
}

/** The parts of a request that choose a step, whatever API it came through. */
export interface Asked {
  /** What is asked for: a model's answer when left out. */
  kind?: 'search';
  model: string;
  instructions: string;
  lastUserText: string;
  body: JsonObject;
}

export interface Taken {
  step: Step;
  position: number;
}

export class Script {
  readonly id: string;
  readonly seed: string;
  readonly loose: boolean;
  readonly gates = new Gates();
  readonly memory: Memory;
  readonly ollama: OllamaState;
  readonly #steps: Step[];
  readonly #taken = new Set<number>();

  constructor(id: string, steps: Step[], options: ScriptOptions = {}) {
    this.id = id;
    this.seed = options.seed ?? id;
    this.loose = options.loose ?? false;
    this.memory = new Memory(options.conversations ?? []);
    this.ollama = new OllamaState(options.ollama ?? {});
    this.#steps = steps;
  }

  /** The first step that is left and fits, which is then used up. */
  take(asked: Asked): Taken {
    const position = this.#steps.findIndex(
      (step, index) => !this.#taken.has(index) && fits(step, asked),
    );
    const step = this.#steps[position];
    if (!step) throw this.#exhausted();
    this.#taken.add(position);
    if (step.expect && !includes(asked.body, step.expect)) {
      throw scriptError(
        `Step ${position} of the script '${this.id}' expects ${JSON.stringify(step.expect)}, ` +
          `which is not what the request holds: ${JSON.stringify(asked.body)}`,
        'script_expectation_failed',
      );
    }
    return { step, position };
  }

  #exhausted(): Error {
    const left = this.#steps.length - this.#taken.size;
    const why = left === 0 ? 'has no step left' : `has ${left} steps left, but none that matches`;
    return scriptError(
      `The script '${this.id}' of ${this.#steps.length} steps ${why}. ` +
        'Give it one more step for each request that the run makes.',
      'script_exhausted',
    );
  }
}

function fits({ match, search }: Step, asked: Asked): boolean {
  if ((search !== undefined) !== (asked.kind === 'search')) return false;
  const { model, instructions, lastUserText } = asked;
  if (match === undefined) return true;
  if (typeof match === 'string') {
    return [lastUserText, model, instructions].some((text) => text.includes(match));
  }
  return (
    lastUserText.includes(match.text ?? '') &&
    model.includes(match.model ?? '') &&
    instructions.includes(match.instructions ?? '')
  );
}

/** The scripts that are set, by id. */
export class Scripts {
  readonly #scripts = new Map<string, Script>();

  set(script: Script): void {
    this.remove(script.id);
    this.#scripts.set(script.id, script);
  }

  get(id: string): Script {
    const script = this.#scripts.get(id);
    if (script) return script;
    throw scriptError(
      `No script '${id}' is set. Set it with POST /__script/${id} before the first request.`,
      'script_missing',
    );
  }

  find(id: string): Script | undefined {
    return this.#scripts.get(id);
  }

  all(): Script[] {
    return [...this.#scripts.values()];
  }

  /** The script in whose Ollama this model was made from another one. */
  withDerived(model: string): Script | undefined {
    return this.all().find((script) => script.ollama.isDerived(model));
  }

  remove(id: string): void {
    this.#scripts.get(id)?.gates.open();
    this.#scripts.delete(id);
  }
}

const STEP_FIELDS = ['output', 'usage', 'match', 'expect', 'hold', 'fault', 'search', 'response'];
const FAULT_FIELDS = [
  'status',
  'headers',
  'body',
  'raw',
  'cut_after',
  'delay_ms',
  'hang',
  'error_event',
];

/** Says what is wrong with steps that were sent as JSON; undefined when nothing is. */
export function complaint(steps: Json | undefined): string | undefined {
  if (!Array.isArray(steps)) return 'A script needs "steps": a list of steps.';
  for (const [index, step] of steps.entries()) {
    const wrong = unknownField(step, STEP_FIELDS) ?? unknownField(fault(step), FAULT_FIELDS);
    if (wrong) return `Step ${index} ${wrong}.`;
    const output = (step as JsonObject).output ?? [];
    if (!Array.isArray(output) || !output.every((item) => includes(item, {}) && hasType(item))) {
      return `Step ${index} needs "output" as a list of objects, each with a "type".`;
    }
  }
  return undefined;
}

function fault(step: Json): Json {
  return (step as JsonObject).fault ?? {};
}

function hasType(item: Json): boolean {
  return typeof (item as JsonObject).type === 'string';
}

function unknownField(value: Json, known: string[]): string | undefined {
  if (!includes(value, {})) return `is no object: ${JSON.stringify(value)}`;
  const stranger = Object.keys(value as JsonObject).find((name) => !known.includes(name));
  return stranger && `has the unknown field "${stranger}"; known are ${known.join(', ')}`;
}
