// Services written with the official TypeScript SDK, the same as in python_services.py.
import * as restate from "@restatedev/restate-sdk";

const tries = new Map();

function tried(what, name) {
  const key = `${what} ${name}`;
  tries.set(key, (tries.get(key) ?? 0) + 1);
  return tries.get(key);
}

async function terminal(promise) {
  try {
    return [await promise, undefined];
  } catch (error) {
    if (error instanceof restate.TerminalError) return [undefined, error];
    throw error;
  }
}

const tools = restate.service({
  name: "Tools",
  handlers: {
    greet: async (_ctx, name) => `Hello ${name}`,
    steps: async (ctx, count) => {
      let total = 0;
      for (let number = 0; number < count; number++) {
        total += await ctx.run(`step ${number}`, () => number);
      }
      return total;
    },
    nap: async (ctx, milliseconds) => {
      await ctx.sleep(milliseconds);
      return "rested";
    },
    flaky: async (ctx, name) =>
      ctx.run("fail twice", () => {
        const number = tried("run", name);
        if (number < 3) throw new Error("not yet");
        return number;
      }),
    stumble: async (ctx, name) => {
      const executed = await ctx.run("once", () => tried("execution", name));
      const attempts = tried("attempt", name);
      if (attempts < 3) throw new Error("stumbled");
      return [executed, attempts];
    },
    stubborn: restate.handlers.handler(
      { retryPolicy: { initialInterval: 10, maxAttempts: 2, onMaxAttempts: "pause" } },
      async (_ctx, name) => {
        const attempts = tried("stubborn", name);
        if (attempts < 4) throw new Error("not before the fourth time");
        return attempts;
      },
    ),
    exhaust: async (ctx, name) => {
      const never = ctx.run(
        "never",
        () => {
          throw new Error(`never, said ${tried("exhausting", name)} times`);
        },
        { maxRetryAttempts: 3, initialRetryInterval: 10 },
      );
      const [, error] = await terminal(never);
      return error?.message ?? "succeeded";
    },
    refuse: async (_ctx, code) => {
      throw new restate.TerminalError("no", { errorCode: code });
    },
    observe: async (ctx, code) => {
      const [answer, error] = await terminal(ctx.serviceClient(tools).refuse(code));
      return error ? `${error.code} ${error.message}` : answer;
    },
    relay: async (ctx, name) => {
      const client = ctx.serviceClient(tools);
      const first = await client.greet(name);
      const both = await restate.RestatePromise.all([client.greet("a"), client.greet("b")]);
      return [first, ...both];
    },
    send: async (ctx, key) => {
      ctx.objectSendClient(counter, key).add(5);
      const handle = ctx
        .objectSendClient(counter, key)
        .add(7, restate.rpc.sendOpts({ delay: 100 }));
      return handle.invocationId;
    },
    once: async (ctx, key) => {
      const totals = [];
      for (let time = 0; time < 2; time++) {
        const options = restate.rpc.opts({ idempotencyKey: key });
        totals.push(await ctx.objectClient(counter, key).add(1, options));
      }
      return totals;
    },
    attach: async (ctx, name) => {
      const options = restate.rpc.sendOpts({ idempotencyKey: name });
      const handle = ctx.serviceSendClient(tools).greet(name, options);
      return ctx.invocation(await handle.invocationId).attach();
    },
    awaken: async (ctx) => {
      const { id, promise } = ctx.awakeable();
      ctx.serviceSendClient(tools).resolve(id);
      return promise;
    },
    resolve: restate.handlers.handler({ ingressPrivate: true }, async (ctx, id) => {
      ctx.resolveAwakeable(id, "woken");
    }),
    spurn: async (ctx) => {
      const { id, promise } = ctx.awakeable();
      ctx.serviceSendClient(tools).reject(id);
      const [answer, error] = await terminal(promise);
      return error ? `rejected: ${error.message}` : answer;
    },
    reject: async (ctx, id) => {
      ctx.rejectAwakeable(id, "unwanted");
    },
    listen: async (ctx) => ctx.signal("whistle"),
    whistle: async (ctx, invocationId) => {
      ctx.invocation(invocationId).signal("whistle").resolve("heard");
    },
    race: async (ctx) =>
      restate.RestatePromise.race([
        ctx.sleep(60000).map(() => "slow"),
        ctx.sleep(20).map(() => "fast"),
      ]),
    abandon: async (ctx) => {
      const child = ctx.serviceClient(tools).nap(600000);
      ctx.cancel(await child.invocationId);
      const [answer, error] = await terminal(child);
      return error ? `${error.code}` : answer;
    },
    undo: async (ctx, key) => {
      await ctx.objectClient(counter, key).add(3);
      const [, error] = await terminal(ctx.sleep(600000));
      if (!error) return;
      await ctx.objectClient(counter, key).add(-3);
      throw error;
    },
    dice: async (ctx) => {
      const drawn = ctx.rand.random();
      const recorded = await ctx.run("record", () => drawn);
      await ctx.sleep(20);
      return drawn === recorded;
    },
    header: async (ctx, name) => ctx.request().headers.get(name) ?? "",
    journey: async (ctx, key) => {
      let walked = 0;
      for (let stage = 0; stage < 5; stage++) {
        walked += await ctx.run(`stage ${stage}`, () => 1);
        await ctx.objectClient(counter, key).add(1);
        await ctx.sleep(100);
      }
      return walked;
    },
    echo: restate.handlers.handler(
      { input: restate.serde.binary, output: restate.serde.binary },
      async (_ctx, data) => data,
    ),
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
    value: restate.handlers.object.shared(
      { enableLazyState: true },
      async (ctx) => (await ctx.get("total")) ?? 0,
    ),
    clear: async (ctx) => {
      const keys = await ctx.stateKeys();
      ctx.clearAll();
      return keys;
    },
    ask: async (ctx) => {
      const { id, promise } = ctx.awakeable();
      ctx.set("question", id);
      const told = await promise;
      ctx.clear("question");
      return `${ctx.key} was told ${told}`;
    },
    asked: restate.handlers.object.shared(async (ctx) => (await ctx.get("question")) ?? ""),
  },
});

const signup = restate.workflow({
  name: "Signup",
  handlers: {
    run: async (ctx, email) => {
      ctx.set("email", email);
      return `${email}: ${await ctx.promise("answer")}`;
    },
    approve: async (ctx, answer) => {
      await ctx.promise("answer").resolve(answer);
    },
    decline: async (ctx, reason) => {
      await ctx.promise("answer").reject(reason);
    },
    look: async (ctx) => (await ctx.promise("answer").peek()) ?? "",
    email: async (ctx) => (await ctx.get("email")) ?? "",
  },
});

export const services = [tools, counter, signup];
