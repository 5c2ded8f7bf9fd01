/** Tools whose results are recorded, or taken from the record. */

import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { invokeFunctionTool, type protocol, type RunContext } from '@openai/agents';
import { toSmartString } from '@openai/agents/utils';
import { dump } from '../documents.ts';
import { ArgumentsChangedError } from '../errors.ts';
import { toWireItem, type WireItem } from '../runState/items.ts';
import { agentOfTool, setAgentOfTool } from './agentTools.ts';
import { bindAs, decidesOnApproval, outputItem, parsedArguments } from './internals.ts';
import { type Body, type Journal, type RecordedStep, type Step, toolKey } from './journal.ts';
import { currentLoop, Frame, type Loop, within } from './loop.ts';
import { responseOf } from './recordedModel.ts';
import { nativeParts } from './toolOutput.ts';
import { type AnyFunctionTool, isAtMostOnce, whenUnknown, withIdempotencyKey } from './tools.ts';
import { isAskedAgain, mayRepeat, OUTCOME_UNKNOWN } from './unknownOutcome.ts';

type CallDetails = Parameters<AnyFunctionTool['invoke']>[2];

const copies = new WeakMap<AnyFunctionTool, AnyFunctionTool>();
const recorded = new WeakSet<AnyFunctionTool>();

/** The tool with its results recorded; the tool itself is left as it is. */
export function recordedTool(tool: AnyFunctionTool): AnyFunctionTool {
  if (recorded.has(tool)) return tool;
  const copy = copies.get(tool) ?? recordedCopy(tool);
  copies.set(tool, copy);
  recorded.add(copy);
  return copy;
}

function recordedCopy(tool: AnyFunctionTool): AnyFunctionTool {
  const copy: AnyFunctionTool = {
    ...tool,
    invoke: (context, input, details) => {
      const loop = currentLoop();
      if (!loop || !details?.toolCall) {
        return invokeFunctionTool({
          tool,
          runContext: context,
          input,
          ...(details && { details }),
        });
      }
      return new Call(loop, tool, context, input, details).result();
    },
  };
  // the call's own time limit is kept inside, so that running out of it is recorded too
  delete copy.timeoutMs;
  const decides = decidesOnApproval(tool);
  if (decides || whenUnknown(tool) === 'ask') {
    copy.needsApproval = async (context, given, callId) => {
      if (isAskedAgain(tool, callId)) return true;
      const own = decides ? parsedArguments(tool, given) : given;
      return await tool.needsApproval(context, own as never, callId);
    };
  }
  bindAs(copy, tool);
  const agent = agentOfTool(tool);
  if (agent) setAgentOfTool(copy, agent);
  return copy;
}

/** One call of a tool in a durable run. */
class Call {
  readonly #loop: Loop;
  readonly #tool: AnyFunctionTool;
  readonly #context: RunContext<unknown>;
  readonly #details: NonNullable<CallDetails>;
  readonly #call: protocol.FunctionCallItem;
  readonly #key: string;
  readonly #frame: Frame;
  #arguments: string;

  constructor(
    loop: Loop,
    tool: AnyFunctionTool,
    context: RunContext<unknown>,
    input: string,
    details: NonNullable<CallDetails>,
  ) {
    this.#loop = loop;
    this.#tool = tool;
    this.#context = context;
    this.#arguments = input;
    this.#details = details;
    this.#call = details.toolCall as protocol.FunctionCallItem;
    this.#key = toolKey(loop.path, this.#call.callId);
    this.#frame = Frame.ofCall(loop, this.#call.callId);
  }

  get #journal(): Journal {
    return this.#loop.journal;
  }

  /** What the tool returned when the call was first made; or makes it. */
  async result(): Promise<unknown> {
    const step = this.#journal.answer(this.#key, {
      agent: this.#loop.agent,
      name: this.#tool.name,
      callId: this.#call.callId,
    });
    if (step && step.status !== 'started') {
      this.#countUsageInside();
      return this.#returned(step);
    }
    const edited = this.#editedArguments();
    this.#arguments = edited ?? this.#arguments;
    if (this.#isAtMostOnce() && !(await this.#begin(step))) return await this.#outcomeUnknown();
    return await this.#make(edited !== null);
  }

  /** Notes that the call is about to be made; false if that must not happen. */
  async #begin(begun: RecordedStep | undefined): Promise<boolean> {
    const asks = whenUnknown(this.#tool) === 'ask';
    const again = begun !== undefined && asks && mayRepeat(this.#loop.execution, begun);
    return await this.#journal.begin(this.#step(), { again });
  }

  /** An agent as a tool may begin again: what it did is recorded call by call. */
  #isAtMostOnce(): boolean {
    return isAtMostOnce(this.#tool) && !agentOfTool(this.#tool);
  }

  /** Counts what an agent that ran as this tool used: its loop does not run again. */
  #countUsageInside(): void {
    if (!agentOfTool(this.#tool)) return;
    for (const step of this.#journal.modelsInside(this.#frame.path)) {
      if (step.segment === this.#loop.execution.segment) {
        this.#context.usage.add(responseOf(step).usage);
      }
    }
  }

  async #make(isEdited: boolean): Promise<unknown> {
    const startedAt = new Date();
    this.#loop.execution.processMustBeAlive();
    let value = await this.#invoke();
    if (this.#frame.interrupted) {
      // an agent that runs as this tool is paused: the call has not ended
      this.#journal.forgetQuestion(this.#key);
      return value;
    }
    if (isEdited) value = this.#withNote(value);
    await this.#journal.record(this.#step({ body: this.#body(value) }), startedAt);
    return value;
  }

  async #invoke(): Promise<unknown> {
    const work = () =>
      invokeFunctionTool({
        tool: this.#tool,
        runContext: this.#context,
        input: this.#arguments,
        details: this.#details,
      });
    const key = `${this.#journal.runId}${this.#frame.path}`;
    try {
      const value = await within(this.#frame, () => withIdempotencyKey(key, work));
      // what is thrown inside a tool is a text by now
      if (this.#journal.refusal) throw this.#journal.refusal;
      return value;
    } catch (error) {
      this.#journal.forgetQuestion(this.#key);
      throw error;
    }
  }

  #editedArguments(): string | null {
    const decision = this.#loop.execution.decisions.get(this.#call.callId);
    if (decision?.tool !== this.#tool.name) return null;
    if (!hashesOf(this.#arguments).includes(decision.argumentsSha256)) {
      throw new ArgumentsChangedError(
        `Run ${this.#journal.runId}: the call ${this.#call.callId} of ${this.#tool.name} was ` +
          'approved with other arguments than those that it would be called with now. It was not ' +
          'called.',
      );
    }
    return decision.argumentsUsed;
  }

  async #outcomeUnknown(): Promise<string> {
    await this.#journal.closeUnknown(this.#step(), OUTCOME_UNKNOWN);
    return OUTCOME_UNKNOWN;
  }

  #step(more: Pick<Step, 'status' | 'body'> = {}): Step {
    return {
      key: this.#key,
      kind: 'tool',
      agent: this.#loop.agent,
      name: this.#tool.name,
      callId: this.#call.callId,
      arguments: this.#arguments,
      ...more,
    };
  }

  #body(value: unknown): Body {
    const output = this.#output(value);
    if (typeof value === 'string') return { output };
    const plain = plainJson(value);
    // what is not the same to the model once it was JSON, such as a date, is kept as text only
    const isSame = plain !== undefined && isDeepStrictEqual(this.#output(plain), output);
    return isSame ? { output, value: plain } : { output };
  }

  /** What the model gets, as it is on the wire. */
  #output(value: unknown): unknown {
    return toWireItem(outputItem(this.#tool, this.#call, value)).output;
  }

  #returned({ body, language }: RecordedStep): unknown {
    const { output, value } = body as Body;
    if (language === 'typescript' && value !== undefined) return value;
    if (typeof output === 'string') return this.#tool.outputSchema ? parsed(output) : output;
    return nativeParts(output as WireItem[]);
  }

  #withNote(value: unknown): unknown {
    const note = `[Called with arguments edited by a person: ${this.#arguments}]`;
    if (typeof this.#output(value) === 'string') return `${note}\n${toSmartString(value)}`;
    return [{ type: 'text', text: note }, ...(Array.isArray(value) ? value : [value])];
  }
}

/**
 * The hashes that these arguments may have been approved under: they differ by how the two languages
 * put lone surrogates into bytes.
 */
export function hashesOf(text: string): string[] {
  const replaced = Buffer.from(text);
  const passed = text.isWellFormed() ? replaced : Buffer.concat([...text].map(codePointBytes));
  return [replaced, passed].map((bytes) => createHash('sha256').update(bytes).digest('hex'));
}

function codePointBytes(character: string): Buffer {
  if (character.isWellFormed()) return Buffer.from(character);
  const code = character.charCodeAt(0);
  return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]);
}

/** The value as it is after having been JSON; undefined where JSON cannot say it. */
function plainJson(value: unknown): unknown {
  if (JSON.stringify(value) === undefined) return undefined;
  try {
    return JSON.parse(dump(value));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
