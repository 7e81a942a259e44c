//! An object and a workflow that use all that needs a key.

use restate_sdk::prelude::*;

pub struct Counter;

#[restate_sdk::object]
impl Counter {
    #[handler]
    async fn add(&self, ctx: ObjectContext<'_>, amount: i32) -> HandlerResult<i32> {
        let total = ctx.get::<i32>("total").await?.unwrap_or(0) + amount;
        ctx.set("total", total);
        Ok(total)
    }

    #[handler(lazy_state)]
    async fn value(&self, ctx: SharedObjectContext<'_>) -> HandlerResult<i32> {
        Ok(ctx.get::<i32>("total").await?.unwrap_or(0))
    }

    #[handler]
    async fn clear(&self, ctx: ObjectContext<'_>) -> HandlerResult<Json<Vec<String>>> {
        let keys = ctx.get_keys().await?;
        ctx.clear_all();
        Ok(Json(keys))
    }

    #[handler]
    async fn ask(&self, ctx: ObjectContext<'_>) -> HandlerResult<String> {
        let (question, answer) = ctx.awakeable::<String>();
        ctx.set("question", question);
        let told = answer.await?;
        ctx.clear("question");
        Ok(format!("{} was told {told}", ctx.key()))
    }

    #[handler]
    async fn asked(&self, ctx: SharedObjectContext<'_>) -> HandlerResult<String> {
        Ok(ctx.get::<String>("question").await?.unwrap_or_default())
    }
}

pub struct Signup;

#[restate_sdk::workflow]
impl Signup {
    #[handler]
    async fn run(&self, ctx: WorkflowContext<'_>, email: String) -> HandlerResult<String> {
        ctx.set("email", email.clone());
        let answer = ctx.promise::<String>("answer").await?;
        Ok(format!("{email}: {answer}"))
    }

    #[handler]
    async fn approve(&self, ctx: SharedWorkflowContext<'_>, answer: String) -> HandlerResult<()> {
        ctx.resolve_promise("answer", answer);
        Ok(())
    }

    #[handler]
    async fn decline(&self, ctx: SharedWorkflowContext<'_>, reason: String) -> HandlerResult<()> {
        ctx.reject_promise("answer", TerminalError::new(reason));
        Ok(())
    }

    #[handler]
    async fn look(&self, ctx: SharedWorkflowContext<'_>) -> HandlerResult<String> {
        let answer = ctx.peek_promise::<String>("answer").await?;
        Ok(answer.unwrap_or_default())
    }

    #[handler]
    async fn email(&self, ctx: SharedWorkflowContext<'_>) -> HandlerResult<String> {
        Ok(ctx.get::<String>("email").await?.unwrap_or_default())
    }
}
