// Talks to the services from outside, with the official TypeScript client; prints what it hears.
import * as clients from "@restatedev/restate-sdk-clients";

const tools = { name: "Tools" };
const counter = { name: "Counter" };
const signup = { name: "Signup" };

export async function visit(url, key) {
  const ingress = clients.connect({ url });
  const heard = [await ingress.serviceClient(tools).greet("Ada")];

  const once = clients.rpc.opts({ idempotencyKey: key });
  for (let time = 0; time < 2; time++) {
    heard.push(await ingress.objectClient(counter, key).add(5, once));
  }

  const sendOnce = clients.rpc.sendOpts({ idempotencyKey: key });
  heard.push(await ingress.result(await ingress.serviceSendClient(tools).greet("Bob", sendOnce)));

  const later = clients.rpc.sendOpts({ idempotencyKey: `${key} later`, delay: 50 });
  heard.push(await ingress.result(await ingress.objectSendClient(counter, key).add(2, later)));

  const refusal = await ingress.serviceClient(tools).refuse(418).catch((error) => error);
  heard.push(refusal.status);

  const workflow = ingress.workflowClient(signup, key);
  const submission = await workflow.workflowSubmit("a@b.c");
  heard.push((await workflow.workflowOutput()).ready);
  await workflow.approve("yes");
  heard.push(await ingress.result(submission), (await workflow.workflowOutput()).result);
  return heard;
}
