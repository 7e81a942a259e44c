// Services written with the official TypeScript SDK, the same as in python_services.py.
import * as restate from "@restatedev/restate-sdk";
import http from "node:http";
import http2 from "node:http2";

const failures = new Map();

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
        failures.set(name, (failures.get(name) ?? 0) + 1);
        if (failures.get(name) < 3) throw new Error("not yet");
        return failures.get(name);
      }),
    refuse: async (_ctx, code) => {
      throw new restate.TerminalError("no", { errorCode: code });
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
    awaken: async (ctx) => {
      const { id, promise } = ctx.awakeable();
      ctx.serviceSendClient(tools).resolve(id);
      return promise;
    },
    resolve: async (ctx, id) => {
      ctx.resolveAwakeable(id, "woken");
    },
    race: async (ctx) =>
      restate.RestatePromise.race([
        ctx.sleep(60000).map(() => "slow"),
        ctx.sleep(20).map(() => "fast"),
      ]),
    cancelled_child: async (ctx) => {
      const child = ctx.serviceClient(tools).nap(600000);
      ctx.cancel(await child.invocationId);
      try {
        return await child;
      } catch (error) {
        if (error instanceof restate.TerminalError) return `${error.code}`;
        throw error;
      }
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
    value: restate.handlers.object.shared(async (ctx) => (await ctx.get("total")) ?? 0),
    clear: async (ctx) => {
      const keys = await ctx.stateKeys();
      ctx.clearAll();
      return keys;
    },
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
  },
});

const services = [tools, counter, signup];
const [, , mode] = process.argv;
const server =
  mode === "http1"
    ? http.createServer(restate.createEndpointHandler({ services, bidirectional: false }))
    : http2.createServer(restate.createEndpointHandler({ services }));
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
