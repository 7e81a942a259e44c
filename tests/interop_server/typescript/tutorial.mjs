// The services of the tutorials, the same as in python_tutorial.py.
import * as restate from "@restatedev/restate-sdk";

const tries = new Set();

// Says what happens outside: what the world would see of it.
const tell = (text) => console.log(text);

// Subscribes with a service that is always out of order when it is first asked.
function join(order, service) {
  const first = !tries.has(order.user + service);
  tries.add(order.user + service);
  if (first) throw new Error(`${service} does not answer`);
  tell(`subscribed ${order.user} to ${service}`);
}

export const subscriptions = restate.service({
  name: "Subscriptions",
  handlers: {
    add: async (ctx, order) => {
      const payment = ctx.rand.uuidv4();
      await ctx.run("pay", () => tell(`charged ${order.card} for ${payment}`));
      for (const service of order.services) {
        await ctx.run(`subscribe to ${service}`, () => join(order, service));
      }
      return payment;
    },
  },
});

export const greeter = restate.object({
  name: "Greeter",
  handlers: {
    greet: async (ctx, greeting) => {
      const count = ((await ctx.get("count")) ?? 0) + 1;
      ctx.set("count", count);
      return `${greeting} ${ctx.key}, greeting number ${count}`;
    },
    ungreet: async (ctx) => {
      const count = Math.max(((await ctx.get("count")) ?? 0) - 1, 0);
      ctx.set("count", count);
      return `${ctx.key} is left with ${count}`;
    },
  },
});

export const accounts = restate.workflow({
  name: "Accounts",
  handlers: {
    run: async (ctx, user) => {
      const secret = ctx.rand.uuidv4();
      ctx.set("status", "unverified");
      await ctx.run("create", () => tell(`created ${ctx.key} for ${user.name}`));
      await ctx.run("mail", () => tell(`mailed ${secret} to ${user.email}`));
      const verified = (await ctx.promise("clicked")) === secret;
      ctx.set("status", verified ? "verified" : "refused");
      return verified;
    },
    click: async (ctx, secret) => {
      await ctx.promise("clicked").resolve(secret);
    },
    status: async (ctx) => (await ctx.get("status")) ?? "unknown",
  },
});
