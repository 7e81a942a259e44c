package interop;

import dev.restate.sdk.Awakeable;
import dev.restate.sdk.ObjectContext;
import dev.restate.sdk.SharedObjectContext;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.Shared;
import dev.restate.sdk.annotation.VirtualObject;
import dev.restate.sdk.common.StateKey;
import dev.restate.sdk.endpoint.definition.ServiceDefinition;
import java.util.Collection;

/** An object that uses all that objects have. */
@VirtualObject
public class Counter {
  private static final StateKey<Integer> TOTAL = StateKey.of("total", Integer.class);
  private static final StateKey<String> QUESTION = StateKey.of("question", String.class);

  /** Sets what is said of handlers beside their code. */
  static void configure(ServiceDefinition.Configurator service) {
    service.configureHandler("value", handler -> handler.enableLazyState(true));
  }

  @Handler
  public int add(ObjectContext ctx, int amount) {
    int total = ctx.get(TOTAL).orElse(0) + amount;
    ctx.set(TOTAL, total);
    return total;
  }

  @Shared
  public int value(SharedObjectContext ctx) {
    return ctx.get(TOTAL).orElse(0);
  }

  @Handler
  public Collection<String> clear(ObjectContext ctx) {
    Collection<String> keys = ctx.stateKeys();
    ctx.clearAll();
    return keys;
  }

  @Handler
  public String ask(ObjectContext ctx) {
    Awakeable<String> question = ctx.awakeable(String.class);
    ctx.set(QUESTION, question.id());
    String told = question.await();
    ctx.clear(QUESTION);
    return ctx.key() + " was told " + told;
  }

  @Shared
  public String asked(SharedObjectContext ctx) {
    return ctx.get(QUESTION).orElse("");
  }
}
