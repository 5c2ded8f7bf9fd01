/** The agents of the demo, the same as in demo/agent.py. */

import { Agent, tool } from '@openai/agents';
import { z } from 'zod';

/** Told of each call of a tool as it is made. */
export type OnCall = (tool: string, args: Record<string, string>, output: string) => void;

/** The agent of the first act: it asks before it sends a refund. */
export function refundAgent(model: string, onCall: OnCall) {
  const called = (name: string, args: Record<string, string>, output: string): string => {
    onCall(name, args, output);
    return output;
  };
  const lookUpOrder = tool({
    name: 'look_up_order',
    description: 'Look up what was bought and paid.',
    parameters: z.object({ order: z.string() }),
    execute: ({ order }) =>
      called('look_up_order', { order }, `Order ${order}: one blue cup, 42.00 EUR, paid.`),
  });
  const sendRefund = tool({
    name: 'send_refund',
    description: 'Pay money back to the customer.',
    parameters: z.object({ order: z.string(), amount: z.string() }),
    needsApproval: true,
    execute: ({ order, amount }) =>
      called('send_refund', { order, amount }, `Refunded ${amount} for order ${order}.`),
  });
  return new Agent({
    name: 'refunds',
    instructions:
      'You answer customers of a shop. Look the order up, then refund all that was paid for it ' +
      'by calling send_refund at once: a person approves the call, so do not ask the customer. ' +
      'Once it is paid or turned down, say what happened in one sentence.',
    model,
    tools: [lookUpOrder, sendRefund],
  });
}

/** The agent of the second act: what its tools do must not be done twice. */
export function sellingAgent(model: string, onCall: OnCall) {
  const chargeCustomer = tool({
    name: 'charge_customer',
    description: 'Take money from the customer.',
    parameters: z.object({ order: z.string(), amount: z.string() }),
    execute: ({ order, amount }) => {
      const done = `Charged ${amount} for order ${order}.`;
      onCall('charge_customer', { order, amount }, done);
      return done;
    },
  });
  const shipOrder = tool({
    name: 'ship_order',
    description: 'Send what was ordered.',
    parameters: z.object({ order: z.string() }),
    execute: ({ order }) => {
      const done = `Order ${order} is on its way.`;
      onCall('ship_order', { order }, done);
      return done;
    },
  });
  return new Agent({
    name: 'timestep_demo_sales',
    instructions:
      'You sell things. When a customer orders something, take the money with charge_customer, and ' +
      'once it is charged, send it with ship_order: one tool after the other, without asking back. ' +
      'Then say in one sentence what was done.',
    model,
    modelSettings: { parallelToolCalls: false },
    tools: [chargeCustomer, shipOrder],
  });
}
