//! The services of the tutorials, the same as in python_tutorial.py.

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::tried;

/// The part on durable execution.
pub struct Subscriptions;

#[derive(Deserialize, Serialize)]
pub struct Order {
    user: String,
    card: String,
    services: Vec<String>,
}

#[restate_sdk::service]
impl Subscriptions {
    #[handler]
    async fn add(&self, mut ctx: Context<'_>, order: Json<Order>) -> HandlerResult<String> {
        let order = order.into_inner();
        let payment = ctx.rand_uuid().to_string();
        let charge = format!("charged {} for {payment}", order.card);
        ctx.run(|| async move { Ok(println!("{charge}")) })
            .name("pay")
            .await?;
        for service in &order.services {
            ctx.run(|| join(&order.user, service))
                .name(format!("subscribe to {service}"))
                .await?;
        }
        Ok(payment)
    }
}

/// Subscribes with a service that is always out of order when it is first asked.
async fn join(user: &str, service: &str) -> HandlerResult<()> {
    if tried(user, service) == 1 {
        return Err(std::io::Error::other(format!("{service} does not answer")).into());
    }
    println!("subscribed {user} to {service}");
    Ok(())
}

/// The part on virtual objects.
pub struct Greeter;

#[restate_sdk::object]
impl Greeter {
    #[handler]
    async fn greet(&self, ctx: ObjectContext<'_>, greeting: String) -> HandlerResult<String> {
        let count = ctx.get::<i32>("count").await?.unwrap_or(0) + 1;
        ctx.set("count", count);
        Ok(format!("{greeting} {}, greeting number {count}", ctx.key()))
    }

    #[handler]
    async fn ungreet(&self, ctx: ObjectContext<'_>) -> HandlerResult<String> {
        let count = (ctx.get::<i32>("count").await?.unwrap_or(0) - 1).max(0);
        ctx.set("count", count);
        Ok(format!("{} is left with {count}", ctx.key()))
    }
}

/// The part on workflows.
pub struct Accounts;

#[derive(Deserialize, Serialize)]
pub struct User {
    name: String,
    email: String,
}

#[restate_sdk::workflow]
impl Accounts {
    #[handler]
    async fn run(&self, mut ctx: WorkflowContext<'_>, user: Json<User>) -> HandlerResult<bool> {
        let user = user.into_inner();
        let secret = ctx.rand_uuid().to_string();
        ctx.set("status", "unverified".to_string());
        let created = format!("created {} for {}", ctx.key(), user.name);
        ctx.run(|| async move { Ok(println!("{created}")) }).await?;
        let mailed = format!("mailed {secret} to {}", user.email);
        ctx.run(|| async move { Ok(println!("{mailed}")) }).await?;
        let verified = ctx.promise::<String>("clicked").await? == secret;
        let status = if verified { "verified" } else { "refused" };
        ctx.set("status", status.to_string());
        Ok(verified)
    }

    #[handler]
    async fn click(&self, ctx: SharedWorkflowContext<'_>, secret: String) -> HandlerResult<()> {
        ctx.resolve_promise("clicked", secret);
        Ok(())
    }

    #[handler]
    async fn status(&self, ctx: SharedWorkflowContext<'_>) -> HandlerResult<String> {
        let status = ctx.get::<String>("status").await?;
        Ok(status.unwrap_or_else(|| "unknown".to_string()))
    }
}
