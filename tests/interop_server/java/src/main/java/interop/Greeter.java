package interop;

import dev.restate.sdk.ObjectContext;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.VirtualObject;
import dev.restate.sdk.common.StateKey;

/** The tutorials' part on virtual objects. */
@VirtualObject
public class Greeter {
  private static final StateKey<Integer> COUNT = StateKey.of("count", Integer.class);

  @Handler
  public String greet(ObjectContext ctx, String greeting) {
    int count = ctx.get(COUNT).orElse(0) + 1;
    ctx.set(COUNT, count);
    return "%s %s, greeting number %d".formatted(greeting, ctx.key(), count);
  }

  @Handler
  public String ungreet(ObjectContext ctx) {
    int count = Math.max(ctx.get(COUNT).orElse(0) - 1, 0);
    ctx.set(COUNT, count);
    return "%s is left with %d".formatted(ctx.key(), count);
  }
}
