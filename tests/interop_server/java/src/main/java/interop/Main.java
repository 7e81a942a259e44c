package interop;

import dev.restate.sdk.auth.signing.RestateRequestIdentityVerifier;
import dev.restate.sdk.endpoint.Endpoint;
import dev.restate.sdk.http.vertx.RestateHttpServer;

/**
 * {@code Main PORT APP http1|http2}: serves one of the programs, over either version of HTTP.
 * {@code Main visit URL KEY}: is a client of the services.
 */
public final class Main {
  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("visit")) {
      Visit.print(arguments[1], arguments[2]);
      System.exit(0);
    }
    Endpoint.Builder app = app(arguments[1]);
    String key = System.getenv("INTEROP_IDENTITY_KEY");
    if (key != null) {
      app.withRequestIdentityVerifier(RestateRequestIdentityVerifier.fromKey(key));
    }
    RestateHttpServer.listen(app, Integer.parseInt(arguments[0]));
  }

  private static Endpoint.Builder app(String name) {
    return switch (name) {
      case "interop" ->
          Endpoint.bind(new Tools(), Tools::configure)
              .bind(new Counter(), Counter::configure)
              .bind(new Signup());
      case "durable_execution" -> Endpoint.bind(new Subscriptions());
      case "virtual_objects" -> Endpoint.bind(new Greeter());
      case "workflows" -> Endpoint.bind(new Accounts());
      default -> throw new IllegalArgumentException("there is no app " + name);
    };
  }
}
