//! Talks to the services from outside, with the official Rust client; gives what it hears.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use restate_sdk::ingress::{Client, ClientError, Output, RequestExecutor};
use serde_json::{Value, json};

use crate::keyed::{CounterIngressClient, SignupIngressClient};
use crate::tools::ToolsIngressClient;

pub async fn visit(url: &str, key: &str) -> Result<Value, Box<dyn Error>> {
    let client = Client::new(url.parse()?, Http(reqwest::Client::new()))?;
    let tools = ToolsIngressClient::from_client(client.clone());
    let counter = CounterIngressClient::from_client(client.clone(), key);

    let mut heard = vec![json!(tools.greet("Ada".into()).call().await?.into_body()?)];
    for _ in 0..2 {
        let total = counter.add(5).idempotency_key(key).call().await?;
        heard.push(json!(total.into_body()?));
    }
    let sent = tools
        .greet("Bob".into())
        .idempotency_key(key)
        .send()
        .await?;
    heard.push(json!(sent.invocation_handle().attach().await?.into_body()));
    let later = counter.add(2).send_after(Duration::from_millis(50)).await?;
    heard.push(json!(later.invocation_handle().attach().await?.into_body()));
    let refusal = tools.refuse(418).call().await?.into_body();
    if let Err(ClientError::Status { status, .. }) = refusal {
        heard.push(json!(status.as_u16()));
    }

    let workflow = SignupIngressClient::from_client(client.clone(), key);
    let submitted = workflow
        .run("a@b.c".into())
        .send()
        .await?
        .invocation_handle();
    heard.push(json!(matches!(
        submitted.output().await?.body(),
        Output::Ready(_)
    )));
    workflow.approve("yes".into()).call().await?.into_body()?;
    heard.push(json!(submitted.attach().await?.into_body()));
    let found = client
        .lookup_workflow::<String>("Signup", key, None)
        .await?;
    if let Output::Ready(answer) = found.output().await?.into_body() {
        heard.push(json!(answer));
    }
    Ok(json!(heard))
}

/// The SDK's own executor brings TLS with it, which takes longer to build than all the rest.
struct Http(reqwest::Client);

impl RequestExecutor for Http {
    type Error = reqwest::Error;

    async fn execute(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Self::Error> {
        let answer = self.0.execute(request.try_into()?).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = http::Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
