// node main.mjs PORT APP http1|http2: serves one of the programs.
// node main.mjs visit URL KEY: is a client of the services.
import * as restate from "@restatedev/restate-sdk";
import http from "node:http";
import http2 from "node:http2";
import { conformance } from "./conformance.mjs";
import { programs } from "./programs.mjs";
import { services } from "./services.mjs";
import { accounts, greeter, subscriptions } from "./tutorial.mjs";
import { towers } from "./towers.mjs";
import { visit } from "./visit.mjs";

const apps = {
  interop: services,
  conformance,
  programs,
  durable_execution: [subscriptions],
  virtual_objects: [greeter],
  workflows: [accounts],
  towers: [towers],
};

function serve(port, app, version) {
  const identityKey = process.env.INTEROP_IDENTITY_KEY;
  const handler = restate.createEndpointHandler({
    services: apps[app],
    bidirectional: version !== "http1",
    identityKeys: identityKey ? [identityKey] : undefined,
  });
  const server = version === "http1" ? http.createServer(handler) : http2.createServer(handler);
  server.listen(Number(port), "127.0.0.1");
}

const [, , first, second, third] = process.argv;
if (first === "visit") {
  console.log(JSON.stringify(await visit(second, third)));
} else {
  serve(first, second, third);
}
