// The same handlers as in durable.py, with the official SDK for TypeScript.
const http2 = require("node:http2");
const restate = require("@restatedev/restate-sdk");

const bench = restate.service({
  name: "Bench",
  handlers: {
    empty: async (_ctx) => {},
    steps: async (ctx) => {
      let total = 0;
      for (const name of ["first", "second", "third"]) {
        total += await ctx.run(name, async () => 1);
      }
      return total;
    },
  },
});

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx, amount) => {
      const value = ((await ctx.get("value")) ?? 0) + amount;
      ctx.set("value", value);
      return value;
    },
  },
});

const handler = restate.createEndpointHandler({ services: [bench, counter] });
http2.createServer(handler).listen(Number(process.env.PORT), "127.0.0.1");
