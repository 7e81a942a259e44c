// Waits for futures that nest as deep as it is told to.
import * as restate from "@restatedev/restate-sdk";

const MINUTE = 60_000;

async function climb(ctx, levels) {
  let tower = ctx.sleep(500);
  for (let level = 1; level < levels; level++) {
    tower =
      level % 2
        ? restate.RestatePromise.race([tower, ctx.sleep(10 * MINUTE)])
        : restate.RestatePromise.all([tower, ctx.sleep(1)]);
  }
  await tower;
  return "down again";
}

export const towers = restate.service({ name: "Towers", handlers: { climb } });
