// The same services as in python_conformance.py, written with the official TypeScript SDK.
import * as restate from "@restatedev/restate-sdk";

const tries = new Map();

function isSecondAttempt(ctx) {
  tries.set(ctx.key, (tries.get(ctx.key) ?? 0) + 1);
  return tries.get(ctx.key) > 1;
}

const post = restate.object({
  name: "Post",
  handlers: {
    block: async (ctx, waiting) => {
      ctx.set("reached", true);
      if (waiting === "sleep") await ctx.sleep({ days: 1000 });
      if (waiting === "awakeable") await ctx.awakeable().promise;
      if (waiting === "call") await ctx.objectClient(post, ctx.key).block(waiting);
    },
    reached: restate.handlers.object.shared(async (ctx) => (await ctx.get("reached")) ?? false),
    free: async () => "free",
  },
});

const errand = restate.object({
  name: "Errand",
  handlers: {
    start: async (ctx, waiting) => {
      try {
        await ctx.objectClient(post, ctx.key).block(waiting);
      } catch (error) {
        if (error instanceof restate.TerminalError) ctx.set("failure", error.code);
        throw error;
      }
    },
    failure: restate.handlers.object.shared(async (ctx) => ctx.get("failure")),
  },
});

const refusal = ({ message, metadata }) => new restate.TerminalError(message, { metadata });

const failing = restate.object({
  name: "Failing",
  handlers: {
    fail: async (ctx, failure) => {
      ctx.set("failed", true);
      throw refusal(failure);
    },
    call: async (ctx, failure) =>
      ctx.objectClient(failing, `other than ${ctx.key}`).fail(failure),
    run: async (ctx, failure) => {
      ctx.set("failed", true);
      await ctx.run("step", () => {
        throw refusal(failure);
      });
    },
    failed: restate.handlers.object.shared(async (ctx) => (await ctx.get("failed")) ?? false),
  },
});

const notes = restate.object({
  name: "Notes",
  handlers: {
    append: async (ctx, text) => {
      ctx.set("texts", [...((await ctx.get("texts")) ?? []), text]);
    },
    texts: async (ctx) => (await ctx.get("texts")) ?? [],
    nothing: async () => {},
  },
});

async function goOn(ctx, isSecond) {
  if (!isSecond) throw new Error("not at once");
  ctx.objectSendClient(notes, ctx.key).append("went on");
}

const fickle = restate.object({
  name: "Fickle",
  options: { retryPolicy: { initialInterval: 10, maxAttempts: 2, onMaxAttempts: "kill" } },
  handlers: {
    other_key: async (ctx) => {
      const isSecond = isSecondAttempt(ctx);
      ctx.set(isSecond ? "b" : "a", "value");
      await goOn(ctx, isSecond);
    },
    other_target: async (ctx) => {
      const isSecond = isSecondAttempt(ctx);
      const client = ctx.objectSendClient(notes, "fickle");
      if (isSecond) client.texts();
      else client.nothing();
      await goOn(ctx, isSecond);
    },
    other_call: async (ctx) => {
      const isSecond = isSecondAttempt(ctx);
      const client = ctx.objectClient(notes, "fickle");
      await (isSecond ? client.texts() : client.nothing());
      await goOn(ctx, isSecond);
    },
    other_command: async (ctx) => {
      const isSecond = isSecondAttempt(ctx);
      await (isSecond ? ctx.sleep(1) : ctx.objectClient(notes, "fickle").nothing());
      await goOn(ctx, isSecond);
    },
  },
});

const tools = restate.service({
  name: "Tools",
  handlers: {
    stop: async (ctx, invocationId) => {
      ctx.cancel(invocationId);
    },
    dictate: async (ctx, { key, steps }) => {
      const calls = [];
      for (const { kind, text, milliseconds } of steps) {
        if (kind === "call") {
          calls.push(ctx.objectClient(notes, key).append(text));
        } else {
          const delay = restate.rpc.sendOpts({ delay: milliseconds ?? 0 });
          ctx.objectSendClient(notes, key).append(text, delay);
        }
      }
      await restate.RestatePromise.all(calls);
    },
    first_good: async (ctx) => {
      const awakeables = [ctx.awakeable(), ctx.awakeable(), ctx.awakeable()];
      ctx.serviceSendClient(tools).settle(awakeables.map(({ id }) => id));
      const failed = ctx.run("fail", () => {
        throw new restate.TerminalError("a step");
      });
      return restate.RestatePromise.any([failed, ...awakeables.map(({ promise }) => promise)]);
    },
    settle: async (ctx, ids) => {
      ctx.rejectAwakeable(ids[2], "no");
      ctx.resolveAwakeable(ids[1], "good");
    },
  },
});

export const conformance = [errand, post, failing, fickle, notes, tools];
