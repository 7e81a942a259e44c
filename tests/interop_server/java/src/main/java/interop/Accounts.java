package interop;

import dev.restate.sdk.SharedWorkflowContext;
import dev.restate.sdk.WorkflowContext;
import dev.restate.sdk.annotation.Shared;
import dev.restate.sdk.annotation.Workflow;
import dev.restate.sdk.common.DurablePromiseKey;
import dev.restate.sdk.common.StateKey;

/** The tutorials' part on workflows. */
@Workflow
public class Accounts {
  private static final StateKey<String> STATUS = StateKey.of("status", String.class);
  private static final DurablePromiseKey<String> CLICKED =
      DurablePromiseKey.of("clicked", String.class);

  /** Who wants an account. */
  public record User(String name, String email) {}

  @Workflow
  public boolean run(WorkflowContext ctx, User user) {
    String secret = ctx.random().nextUUID().toString();
    ctx.set(STATUS, "unverified");
    ctx.run("create", () -> System.out.println("created " + ctx.key() + " for " + user.name()));
    ctx.run("mail", () -> System.out.println("mailed " + secret + " to " + user.email()));
    boolean verified = ctx.promise(CLICKED).future().await().equals(secret);
    ctx.set(STATUS, verified ? "verified" : "refused");
    return verified;
  }

  @Shared
  public void click(SharedWorkflowContext ctx, String secret) {
    ctx.promiseHandle(CLICKED).resolve(secret);
  }

  @Shared
  public String status(SharedWorkflowContext ctx) {
    return ctx.get(STATUS).orElse("unknown");
  }
}
