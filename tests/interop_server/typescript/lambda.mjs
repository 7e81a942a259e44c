// A function on AWS Lambda in the official TypeScript SDK: each line of stdin is an event, each line
// of stdout what the function answers to it.

import { createInterface } from "node:readline";
import * as restate from "@restatedev/restate-sdk/lambda";

// The SDK's log would stand among the answers.
for (const level of ["trace", "debug", "log", "info", "warn"]) console[level] = console.error;

const tools = restate.service({
  name: "Tools",
  handlers: {
    greet: async (_ctx, name) => `Hello ${name}`,
    steps: async (ctx, count) => {
      let total = 0;
      for (let step = 0; step < count; step++) total += await ctx.run(`s${step}`, () => step);
      return total;
    },
    nap: async (ctx, milliseconds) => {
      await ctx.sleep(milliseconds);
      return "rested";
    },
    length: async (_ctx, text) => [...text].reverse().join(""),
  },
});

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx, amount) => {
      const total = ((await ctx.get("total")) ?? 0) + amount;
      ctx.set("total", total);
      return total;
    },
  },
});

const handler = restate.createEndpointHandler({ services: [tools, counter] });

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await handler(JSON.parse(line), {});
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
