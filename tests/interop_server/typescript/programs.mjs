// Objects that run lists of commands against each other, and see that all comes as it must.
import * as restate from "@restatedev/restate-sdk";

const { RestatePromise, TerminalError, TimeoutError } = restate;
const LAYERS = 3;
const layerName = (layer) => `Layer${layer}`;
const WRONG = 599;

function must(holds, what) {
  if (!holds) throw new TerminalError(what, { errorCode: WRONG });
}

async function settled(promise) {
  const [result] = await RestatePromise.allSettled([promise]);
  return result;
}

const helper = restate.service({
  name: "Helper",
  handlers: {
    echo: async (ctx, { text, milliseconds }) => {
      if (milliseconds) await ctx.sleep(milliseconds);
      return text;
    },
    refuse: async (_ctx, text) => {
      throw new TerminalError(text, { errorCode: 418 });
    },
    add: async (ctx, { layer, key }) => {
      ctx.objectSendClient({ name: layerName(layer) }, key).add();
    },
    dance: async (ctx, { layer, key, id }) => {
      const { id: mine, promise } = ctx.awakeable();
      ctx.resolveAwakeable(id, mine);
      must((await promise) === "thanks", "no thanks");
      ctx.objectSendClient({ name: layerName(layer) }, key).add();
    },
    settle: async (ctx, { id, text, good }) => {
      if (good) ctx.resolveAwakeable(id, text);
      else ctx.rejectAwakeable(id, text);
    },
    signal: async (ctx, { id, text, good }) => {
      const signal = ctx.invocation(id).signal(text);
      if (good) signal.resolve(text);
      else signal.reject(text);
    },
    forever: async (ctx, target) => {
      try {
        await ctx.awakeable().promise;
      } catch (error) {
        if (error.code === 409) ctx.serviceSendClient(helper).add(target);
        throw error;
      }
    },
  },
});

const ledger = restate.object({
  name: "Ledger",
  handlers: {
    // What is written a second time must be what was written the first time.
    write: async (ctx, { line, value }) => {
      const text = JSON.stringify(value);
      const before = await ctx.get(line);
      must(before === null || before === text, `${line} was ${before} and is ${text}`);
      ctx.set(line, text);
    },
  },
});

// One run of a program: what it has begun and not yet waited for, by the place in the program.
class Run {
  constructor(ctx, layer, id) {
    this.ctx = ctx;
    this.layer = layer;
    this.id = id;
    this.self = { layer, key: ctx.key };
    this.pending = new Map();
    this.helper = ctx.serviceClient(helper);
    this.sender = ctx.serviceSendClient(helper);
  }

  begin(place, promise, expected) {
    this.pending.set(place, { promise, expected });
  }

  // Takes what has ended off the list, and sees that it ended as it must.
  end(place, { status, value, reason }) {
    const { expected } = this.pending.get(place);
    this.pending.delete(place);
    const found = status === "fulfilled" ? { value } : { code: reason.code };
    must(
      "code" in expected ? expected.code === found.code : expected.value === found.value,
      `${this.id}.${place}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`,
    );
  }

  some(places) {
    return places.filter((place) => this.pending.has(place));
  }

  async written(place, value) {
    await this.ctx.objectClient(ledger, "all").write({ line: `${this.id}.${place}`, value });
  }

  async command(place, { kind, milliseconds, good, places, key, program }) {
    const { ctx, self } = this;
    const text = `${this.id}.${place}`;
    switch (kind) {
      case "add":
        return add(ctx);
      case "add through":
        return void this.sender.add(self, restate.rpc.sendOpts({ delay: milliseconds }));
      case "add once":
        for (let time = 0; time < 2; time++) {
          this.sender.add(self, restate.rpc.sendOpts({ idempotencyKey: text }));
        }
        return undefined;
      case "dance": {
        const { id, promise } = ctx.awakeable();
        this.sender.dance({ ...self, id });
        return ctx.resolveAwakeable(await promise, "thanks");
      }
      case "stumble":
        if (Math.random() < 0.3) throw new Error("stumbled");
        return undefined;
      case "step":
        return this.written(place, await ctx.run(text, () => Math.random()));
      case "flaky step":
        return ctx.run(
          text,
          () => {
            if (Math.random() < 0.5) throw new Error("not yet");
          },
          { initialRetryInterval: 5 },
        );
      case "dice":
        return this.written(place, [ctx.rand.random(), await ctx.date.now()]);
      case "nap":
        return this.begin(place, ctx.sleep(milliseconds).map(() => text), { value: text });
      case "echo":
        return this.begin(place, this.helper.echo({ text, milliseconds }), { value: text });
      case "refuse":
        return this.begin(place, this.helper.refuse(text), { code: 418 });
      case "attach": {
        const options = restate.rpc.sendOpts({ idempotencyKey: text });
        const { invocationId } = this.sender.echo({ text, milliseconds }, options);
        return this.begin(place, ctx.attach(await invocationId), { value: text });
      }
      case "awakeable": {
        const { id, promise } = ctx.awakeable();
        this.sender.settle({ id, text, good });
        return this.begin(place, promise, good ? { value: text } : { code: 500 });
      }
      case "signal":
        this.sender.signal({ id: ctx.request().id, text, good });
        return this.begin(place, ctx.signal(text), good ? { value: text } : { code: 500 });
      case "cancel": {
        const child = this.helper.forever(self);
        const id = await child.invocationId;
        await ctx.sleep(milliseconds);
        ctx.cancel(id);
        return this.begin(place, child, { code: 409 });
      }
      case "program": {
        const next = ctx.objectClient({ name: layerName(this.layer + 1) }, key);
        return this.begin(place, next.interpret(program), { value: program.id });
      }
      case "wait":
        for (const each of this.some(places)) {
          this.end(each, await settled(this.pending.get(each).promise));
        }
        return undefined;
      case "wait for all": {
        const open = this.some(places);
        const results = await RestatePromise.allSettled(
          open.map((each) => this.pending.get(each).promise),
        );
        return open.forEach((each, index) => this.end(each, results[index]));
      }
      case "race": {
        const open = this.some(places);
        if (open.length === 0) return undefined;
        const won = await RestatePromise.race(
          open.map((each) => this.pending.get(each).promise.map(() => each)),
        );
        await this.written(place, won);
        return this.end(won, await settled(this.pending.get(won).promise));
      }
      case "limit": {
        const [first] = this.some(places);
        if (first === undefined) return undefined;
        const late = await this.pending
          .get(first)
          .promise.map(() => null)
          .orTimeout(milliseconds)
          .then(
            () => false,
            (error) => {
              if (error instanceof TimeoutError) return true;
              throw error;
            },
          );
        return this.written(place, late);
      }
      default:
        throw new TerminalError(`no such command: ${kind}`);
    }
  }
}

async function add(ctx) {
  ctx.set("count", ((await ctx.get("count")) ?? 0) + 1);
}

function layerOf(layer) {
  return restate.object({
    name: layerName(layer),
    handlers: {
      add,
      count: restate.handlers.object.shared(async (ctx) => (await ctx.get("count")) ?? 0),
      interpret: async (ctx, { id, commands }) => {
        const run = new Run(ctx, layer, id);
        for (const [place, command] of commands.entries()) await run.command(place, command);
        await run.command(commands.length, { kind: "wait", places: [...run.pending.keys()] });
        return id;
      },
    },
  });
}

export const programs = [
  helper,
  ledger,
  ...Array.from({ length: LAYERS }, (_, layer) => layerOf(layer)),
];
