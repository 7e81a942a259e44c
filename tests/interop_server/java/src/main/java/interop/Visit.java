package interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.restate.client.Client;
import dev.restate.client.IngressException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Talks to the services from outside, with the official Java client; prints what it hears. */
final class Visit {
  static void print(String url, String key) throws Exception {
    System.out.println(new ObjectMapper().writeValueAsString(visit(url, key)));
  }

  private static List<Object> visit(String url, String key) {
    Client client = Client.connect(url);
    var tools = ToolsClient.fromClient(client);
    var counter = CounterClient.fromClient(client, key);
    List<Object> heard = new ArrayList<>(List.of(tools.greet("Ada")));
    for (int time = 0; time < 2; time++) {
      heard.add(counter.add(5, request -> request.idempotencyKey(key)));
    }
    var sent = tools.send().greet("Bob", request -> request.idempotencyKey(key));
    heard.add(sent.attach().response());
    heard.add(counter.send().add(2, Duration.ofMillis(50)).attach().response());
    try {
      tools.refuse(418);
    } catch (IngressException error) {
      heard.add(error.getStatusCode());
    }
    heard.addAll(signUp(client, key));
    return heard;
  }

  private static List<Object> signUp(Client client, String key) {
    var workflow = SignupClient.fromClient(client, key);
    var submitted = workflow.submit("a@b.c");
    boolean ready = submitted.getOutput().response().isReady();
    workflow.approve("yes");
    String answer = submitted.attach().response();
    String output = workflow.workflowHandle().getOutput().response().getValue();
    return List.of(ready, answer, output);
  }
}
