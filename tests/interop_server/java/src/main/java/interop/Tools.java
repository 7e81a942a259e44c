package interop;

import dev.restate.sdk.Awakeable;
import dev.restate.sdk.Context;
import dev.restate.sdk.DurableFuture;
import dev.restate.sdk.Select;
import dev.restate.sdk.annotation.Accept;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.Raw;
import dev.restate.sdk.annotation.Service;
import dev.restate.sdk.common.RetryPolicy;
import dev.restate.sdk.common.TerminalException;
import dev.restate.sdk.endpoint.definition.InvocationRetryPolicy;
import dev.restate.sdk.endpoint.definition.ServiceDefinition;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A service that uses all that needs no key; the same as in python_services.py. */
@Service
public class Tools {
  private static final String BINARY = "application/octet-stream";
  private static final InvocationRetryPolicy PAUSE_AFTER_TWO =
      InvocationRetryPolicy.builder()
          .initialInterval(Duration.ofMillis(10))
          .maxAttempts(2)
          .onMaxAttempts(InvocationRetryPolicy.OnMaxAttempts.PAUSE)
          .build();

  /** Sets what is said of handlers beside their code. */
  static void configure(ServiceDefinition.Configurator service) {
    service
        .configureHandler("stubborn", handler -> handler.invocationRetryPolicy(PAUSE_AFTER_TWO))
        .configureHandler("resolve", handler -> handler.ingressPrivate(true));
  }

  @Handler
  public String greet(Context ctx, String name) {
    return "Hello " + name;
  }

  @Handler
  public int steps(Context ctx, int count) {
    int total = 0;
    for (int number = 0; number < count; number++) {
      int value = number;
      total += ctx.run("step " + number, Integer.class, () -> value);
    }
    return total;
  }

  @Handler
  public String nap(Context ctx, int milliseconds) {
    ctx.sleep(Duration.ofMillis(milliseconds));
    return "rested";
  }

  @Handler
  public int flaky(Context ctx, String name) {
    return ctx.run(
        "fail twice",
        Integer.class,
        () -> {
          int number = Tries.count("run", name);
          if (number < 3) {
            throw new IllegalStateException("not yet");
          }
          return number;
        });
  }

  @Handler
  public List<Integer> stumble(Context ctx, String name) {
    int executed = ctx.run("once", Integer.class, () -> Tries.count("execution", name));
    int attempts = Tries.count("attempt", name);
    if (attempts < 3) {
      throw new IllegalStateException("stumbled");
    }
    return List.of(executed, attempts);
  }

  @Handler
  public int stubborn(Context ctx, String name) {
    int attempts = Tries.count("stubborn", name);
    if (attempts < 4) {
      throw new IllegalStateException("not before the fourth time");
    }
    return attempts;
  }

  @Handler
  public String exhaust(Context ctx, String name) {
    RetryPolicy policy = RetryPolicy.exponential(Duration.ofMillis(10), 1).setMaxAttempts(3);
    try {
      ctx.run(
          "never",
          policy,
          () -> {
            int times = Tries.count("exhausting", name);
            throw new IllegalStateException("never, said " + times + " times");
          });
    } catch (TerminalException error) {
      return error.getMessage();
    }
    return "succeeded";
  }

  @Handler
  public String refuse(Context ctx, int code) {
    throw new TerminalException(code, "no");
  }

  @Handler
  public String observe(Context ctx, int code) {
    try {
      return ToolsClient.fromContext(ctx).refuse(code).await();
    } catch (TerminalException error) {
      return error.getCode() + " " + error.getMessage();
    }
  }

  @Handler
  public List<String> relay(Context ctx, String name) {
    var client = ToolsClient.fromContext(ctx);
    String first = client.greet(name).await();
    var a = client.greet("a");
    var b = client.greet("b");
    DurableFuture.all(a, b).await();
    return List.of(first, a.await(), b.await());
  }

  @Handler
  public String send(Context ctx, String key) {
    var client = CounterClient.fromContext(ctx, key).send();
    client.add(5);
    return client.add(7, Duration.ofMillis(100)).invocationId();
  }

  @Handler
  public List<Integer> once(Context ctx, String key) {
    List<Integer> totals = new ArrayList<>();
    for (int time = 0; time < 2; time++) {
      var client = CounterClient.fromContext(ctx, key);
      totals.add(client.add(1, request -> request.idempotencyKey(key)).await());
    }
    return totals;
  }

  @Handler
  public String attach(Context ctx, String name) {
    var client = ToolsClient.fromContext(ctx).send();
    return client.greet(name, request -> request.idempotencyKey(name)).attach().await();
  }

  @Handler
  public String awaken(Context ctx, String nothing) {
    Awakeable<String> awakeable = ctx.awakeable(String.class);
    ToolsClient.fromContext(ctx).send().resolve(awakeable.id());
    return awakeable.await();
  }

  @Handler
  public void resolve(Context ctx, String id) {
    ctx.awakeableHandle(id).resolve(String.class, "woken");
  }

  @Handler
  public String spurn(Context ctx, String nothing) {
    Awakeable<String> awakeable = ctx.awakeable(String.class);
    ToolsClient.fromContext(ctx).send().reject(awakeable.id());
    try {
      return awakeable.await();
    } catch (TerminalException error) {
      return "rejected: " + error.getMessage();
    }
  }

  @Handler
  public void reject(Context ctx, String id) {
    ctx.awakeableHandle(id).reject("unwanted");
  }

  @Handler
  public String race(Context ctx, String nothing) {
    return Select.<String>select()
        .when(ctx.timer(Duration.ofMinutes(1)), done -> "slow")
        .when(ctx.timer(Duration.ofMillis(20)), done -> "fast")
        .await();
  }

  @Handler
  public String abandon(Context ctx, String nothing) {
    var child = ToolsClient.fromContext(ctx).nap(600_000);
    child.cancel();
    try {
      return child.await();
    } catch (TerminalException error) {
      return String.valueOf(error.getCode());
    }
  }

  @Handler
  public void undo(Context ctx, String key) {
    var client = CounterClient.fromContext(ctx, key);
    client.add(3).await();
    try {
      ctx.sleep(Duration.ofMinutes(10));
    } catch (TerminalException cancelled) {
      client.add(-3).await();
      throw cancelled;
    }
  }

  @Handler
  public boolean dice(Context ctx, String nothing) {
    int drawn = ctx.random().nextInt();
    int recorded = ctx.run("record", Integer.class, () -> drawn);
    ctx.sleep(Duration.ofMillis(20));
    return drawn == recorded;
  }

  @Handler
  public String header(Context ctx, String name) {
    return ctx.request().headers().getOrDefault(name, "");
  }

  @Handler
  public int journey(Context ctx, String key) {
    int walked = 0;
    for (int stage = 0; stage < 5; stage++) {
      walked += ctx.run("stage " + stage, Integer.class, () -> 1);
      CounterClient.fromContext(ctx, key).add(1).await();
      ctx.sleep(Duration.ofMillis(100));
    }
    return walked;
  }

  @Handler
  @Raw(contentType = BINARY)
  public byte[] echo(Context ctx, @Accept(BINARY) @Raw(contentType = BINARY) byte[] data) {
    return data;
  }
}
