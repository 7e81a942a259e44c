//! A service that uses all that needs no key.

use std::time::Duration;

use restate_sdk::prelude::*;

use crate::keyed::CounterClient;
use crate::tried;

pub struct Tools;

#[restate_sdk::service]
impl Tools {
    #[handler]
    async fn greet(&self, _ctx: Context<'_>, name: String) -> HandlerResult<String> {
        Ok(format!("Hello {name}"))
    }

    #[handler]
    async fn steps(&self, ctx: Context<'_>, count: i32) -> HandlerResult<i32> {
        let mut total = 0;
        for number in 0..count {
            total += ctx
                .run(|| async move { Ok(number) })
                .name(format!("step {number}"))
                .await?;
        }
        Ok(total)
    }

    #[handler]
    async fn nap(&self, ctx: Context<'_>, milliseconds: u64) -> HandlerResult<String> {
        ctx.sleep(Duration::from_millis(milliseconds)).await?;
        Ok("rested".into())
    }

    #[handler]
    async fn flaky(&self, ctx: Context<'_>, name: String) -> HandlerResult<i32> {
        let fail_twice = || async move {
            match tried("run", &name) {
                number if number < 3 => Err(std::io::Error::other("not yet").into()),
                number => Ok(number),
            }
        };
        Ok(ctx.run(fail_twice).name("fail twice").await?)
    }

    #[handler]
    async fn stumble(&self, ctx: Context<'_>, name: String) -> HandlerResult<Json<Vec<i32>>> {
        let owned = name.clone();
        let executed = ctx
            .run(|| async move { Ok(tried("execution", &owned)) })
            .name("once")
            .await?;
        let attempts = tried("attempt", &name);
        if attempts < 3 {
            return Err(std::io::Error::other("stumbled").into());
        }
        Ok(Json(vec![executed, attempts]))
    }

    #[handler(invocation_retry_policy(
        initial_interval = "10ms",
        max_attempts = 2,
        on_max_attempts = "pause",
    ))]
    async fn stubborn(&self, _ctx: Context<'_>, name: String) -> HandlerResult<i32> {
        match tried("stubborn", &name) {
            attempts if attempts < 4 => {
                Err(std::io::Error::other("not before the fourth time").into())
            }
            attempts => Ok(attempts),
        }
    }

    #[handler]
    async fn exhaust(&self, ctx: Context<'_>, name: String) -> HandlerResult<String> {
        let fail = || async move {
            let times = tried("exhausting", &name);
            Err::<(), _>(std::io::Error::other(format!("never, said {times} times")).into())
        };
        let policy = RunRetryPolicy::new()
            .max_attempts(3)
            .initial_delay(Duration::from_millis(10));
        match ctx.run(fail).retry_policy(policy).await {
            Err(error) => Ok(error.message().into()),
            Ok(()) => Ok("succeeded".into()),
        }
    }

    #[handler]
    async fn refuse(&self, _ctx: Context<'_>, code: u16) -> HandlerResult<String> {
        Err(TerminalError::new_with_code(code, "no").into())
    }

    #[handler]
    async fn observe(&self, ctx: Context<'_>, code: u16) -> HandlerResult<String> {
        let client = ctx.service_client::<ToolsClient>();
        Ok(match client.refuse(code).call().await {
            Err(error) => format!("{} {}", error.code(), error.message()),
            Ok(answer) => answer,
        })
    }

    #[handler]
    async fn relay(&self, ctx: Context<'_>, name: String) -> HandlerResult<Json<Vec<String>>> {
        let client = ctx.service_client::<ToolsClient>();
        let first = client.greet(name).call().await?;
        let a = client.greet("a".into()).call();
        let b = client.greet("b".into()).call();
        Ok(Json(vec![first, a.await?, b.await?]))
    }

    #[handler]
    async fn send(&self, ctx: Context<'_>, key: String) -> HandlerResult<String> {
        let client = ctx.object_client::<CounterClient>(key);
        client.add(5).send();
        let sent = client.add(7).send_after(Duration::from_millis(100)).await?;
        Ok(sent.invocation_id().into())
    }

    #[handler]
    async fn once(&self, ctx: Context<'_>, key: String) -> HandlerResult<Json<Vec<i32>>> {
        let mut totals = vec![];
        for _ in 0..2 {
            let client = ctx.object_client::<CounterClient>(key.as_str());
            totals.push(client.add(1).idempotency_key(key.as_str()).call().await?);
        }
        Ok(Json(totals))
    }

    #[handler]
    async fn attach(&self, ctx: Context<'_>, name: String) -> HandlerResult<String> {
        let client = ctx.service_client::<ToolsClient>();
        let greeting = client.greet(name.clone()).idempotency_key(name);
        Ok(greeting.send().await?.attach::<String>().await?)
    }

    #[handler]
    async fn awaken(&self, ctx: Context<'_>, _nothing: String) -> HandlerResult<String> {
        let (id, answer) = ctx.awakeable::<String>();
        ctx.service_client::<ToolsClient>().resolve(id).send();
        Ok(answer.await?)
    }

    #[handler(ingress_private)]
    async fn resolve(&self, ctx: Context<'_>, id: String) -> HandlerResult<()> {
        ctx.resolve_awakeable(&id, "woken".to_string());
        Ok(())
    }

    #[handler]
    async fn spurn(&self, ctx: Context<'_>, _nothing: String) -> HandlerResult<String> {
        let (id, answer) = ctx.awakeable::<String>();
        ctx.service_client::<ToolsClient>().reject(id).send();
        Ok(match answer.await {
            Err(error) => format!("rejected: {}", error.message()),
            Ok(answer) => answer,
        })
    }

    #[handler]
    async fn reject(&self, ctx: Context<'_>, id: String) -> HandlerResult<()> {
        ctx.reject_awakeable(&id, TerminalError::new("unwanted"));
        Ok(())
    }

    #[handler]
    async fn listen(&self, ctx: Context<'_>, _nothing: String) -> HandlerResult<String> {
        Ok(ctx.signal::<String>("whistle").await?)
    }

    #[handler]
    async fn whistle(&self, ctx: Context<'_>, invocation_id: String) -> HandlerResult<()> {
        let listener = ctx.invocation_handle(invocation_id);
        listener.signal("whistle").resolve("heard".to_string());
        Ok(())
    }

    #[handler]
    async fn race(&self, ctx: Context<'_>, _nothing: String) -> HandlerResult<String> {
        let first = restate_sdk::select! {
            _ = ctx.sleep(Duration::from_secs(60)) => "slow",
            _ = ctx.sleep(Duration::from_millis(20)) => "fast"
        };
        Ok(first.into())
    }

    #[handler]
    async fn abandon(&self, ctx: Context<'_>, _nothing: String) -> HandlerResult<String> {
        let child = ctx.service_client::<ToolsClient>().nap(600_000).call();
        child.invocation_handle().await?.cancel();
        Ok(match child.await {
            Err(error) => error.code().to_string(),
            Ok(answer) => answer,
        })
    }

    #[handler]
    async fn undo(&self, ctx: Context<'_>, key: String) -> HandlerResult<()> {
        let client = ctx.object_client::<CounterClient>(key);
        client.add(3).call().await?;
        let Err(cancelled) = ctx.sleep(Duration::from_secs(600)).await else {
            return Ok(());
        };
        client.add(-3).call().await?;
        Err(cancelled.into())
    }

    #[handler]
    async fn dice(&self, mut ctx: Context<'_>, _nothing: String) -> HandlerResult<bool> {
        let drawn = ctx.rand_uuid().to_string();
        let thrown = drawn.clone();
        let recorded: String = ctx.run(|| async move { Ok(thrown) }).await?;
        ctx.sleep(Duration::from_millis(20)).await?;
        Ok(drawn == recorded)
    }

    #[handler]
    async fn header(&self, ctx: Context<'_>, name: String) -> HandlerResult<String> {
        Ok(ctx.headers().get(&name).cloned().unwrap_or_default())
    }

    #[handler]
    async fn journey(&self, ctx: Context<'_>, key: String) -> HandlerResult<i32> {
        let mut walked = 0;
        for stage in 0..5 {
            walked += ctx
                .run(|| async { Ok(1) })
                .name(format!("stage {stage}"))
                .await?;
            let client = ctx.object_client::<CounterClient>(key.as_str());
            client.add(1).call().await?;
            ctx.sleep(Duration::from_millis(100)).await?;
        }
        Ok(walked)
    }

    #[handler]
    async fn echo(&self, _ctx: Context<'_>, data: Vec<u8>) -> HandlerResult<Vec<u8>> {
        Ok(data)
    }
}
