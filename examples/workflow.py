"""Workflows: a procedure that runs once for a key, waits for the world, and can be asked about.

Somebody signs up. `run` stores the account, mails a code, and waits until the code comes back,
reminding twice before it gives up. It waits in the journal, not in memory: days of waiting cost
nothing and survive every restart. `confirm` and `status` talk to it while it runs.

Start it without waiting for its end:

    curl localhost:8080/SignUp/ada/run/send --json '{"name": "Ada", "mail": "ada@example.org"}'

Take the code from the output of the process, and look at the state before and after:

    curl localhost:8080/SignUp/ada/status
    curl localhost:8080/SignUp/ada/confirm --json '"the-code"'
    curl localhost:8080/restate/workflow/SignUp/ada/attach
"""

from datetime import timedelta

from pydantic import BaseModel

import perdure
from examples.outside import reach

sign_up = perdure.Workflow("SignUp", description="A new account, once its mail is verified.")

REMINDERS = 2
PATIENCE = timedelta(hours=12)


class Applicant(BaseModel):
    """Who signs up."""

    name: str
    mail: str


@sign_up.main()
async def run(ctx: perdure.WorkflowContext, applicant: Applicant) -> bool:
    """Lead somebody from the form to an open account; False if they never answered."""
    ctx.set("status", "storing the account")
    await ctx.run_typed("store", store_account, name=ctx.key(), mail=applicant.mail)
    code = ctx.uuid().hex[:8]
    ctx.set("status", "waiting for the code")
    if not await _verified(ctx, applicant, code):
        ctx.set("status", "given up")
        await ctx.run_typed("remove", remove_account, name=ctx.key())
        return False
    ctx.set("status", "open")
    await ctx.run_typed("welcome", send_mail, mail=applicant.mail, text="your account is open")
    return True


@sign_up.handler()
async def confirm(ctx: perdure.WorkflowSharedContext, code: str) -> None:
    """Bring the code that the mail told."""
    # Completing a promise twice is an error that the caller gets to see.
    await ctx.promise("code", type_hint=str).resolve(code)


@sign_up.handler()
async def status(ctx: perdure.WorkflowSharedContext) -> str:
    """Tell how far it is."""
    return await ctx.get("status", type_hint=str) or "unknown"


async def _verified(ctx: perdure.WorkflowContext, applicant: Applicant, code: str) -> bool:
    """Mail the code until it comes back, or patience ends."""
    for reminder in range(1 + REMINDERS):
        await ctx.run_typed(
            f"mail {reminder}", send_mail, mail=applicant.mail, text=f"your code is {code}"
        )
        match await perdure.select(
            answer=ctx.promise("code", type_hint=str).value(), silence=ctx.sleep(PATIENCE)
        ):
            case ["answer", answer]:
                return bool(answer == code)
    return False


def store_account(name: str, mail: str) -> None:
    """Put an account into the books; putting it there again changes nothing."""
    reach(f"store account {name} for {mail}")


def remove_account(name: str) -> None:
    """Take an account out of the books."""
    reach(f"remove account {name}")


def send_mail(mail: str, text: str) -> None:
    """Send a mail."""
    reach(f"mail to {mail}: {text}")


app = perdure.app([sign_up])
