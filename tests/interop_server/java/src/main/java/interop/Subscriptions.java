package interop;

import dev.restate.sdk.Context;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.Service;
import java.util.List;

/** The tutorials' part on durable execution; the same as in python_tutorial.py. */
@Service
public class Subscriptions {
  /** What one wants to be subscribed to. */
  public record Order(String user, String card, List<String> services) {}

  @Handler
  public String add(Context ctx, Order order) {
    String payment = ctx.random().nextUUID().toString();
    ctx.run("pay", () -> System.out.println("charged " + order.card() + " for " + payment));
    for (String service : order.services()) {
      ctx.run("subscribe to " + service, () -> join(order.user(), service));
    }
    return payment;
  }

  /** Subscribes with a service that is always out of order when it is first asked. */
  private static void join(String user, String service) {
    if (Tries.count(user, service) == 1) {
      throw new IllegalStateException(service + " does not answer");
    }
    System.out.println("subscribed " + user + " to " + service);
  }
}
