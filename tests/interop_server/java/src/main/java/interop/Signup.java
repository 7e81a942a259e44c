package interop;

import dev.restate.sdk.SharedWorkflowContext;
import dev.restate.sdk.WorkflowContext;
import dev.restate.sdk.annotation.Shared;
import dev.restate.sdk.annotation.Workflow;
import dev.restate.sdk.common.DurablePromiseKey;
import dev.restate.sdk.common.StateKey;

/** A workflow that uses all that workflows have. */
@Workflow
public class Signup {
  private static final StateKey<String> EMAIL = StateKey.of("email", String.class);
  private static final DurablePromiseKey<String> ANSWER =
      DurablePromiseKey.of("answer", String.class);

  @Workflow
  public String run(WorkflowContext ctx, String email) {
    ctx.set(EMAIL, email);
    return email + ": " + ctx.promise(ANSWER).future().await();
  }

  @Shared
  public void approve(SharedWorkflowContext ctx, String answer) {
    ctx.promiseHandle(ANSWER).resolve(answer);
  }

  @Shared
  public void decline(SharedWorkflowContext ctx, String reason) {
    ctx.promiseHandle(ANSWER).reject(reason);
  }

  @Shared
  public String look(SharedWorkflowContext ctx) {
    return ctx.promise(ANSWER).peek().orElse("");
  }

  @Shared
  public String email(SharedWorkflowContext ctx) {
    return ctx.get(EMAIL).orElse("");
  }
}
