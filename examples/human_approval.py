"""Human approval: a handler waits for a person, for as long as it takes.

Small expenses are paid at once. For a large one the handler makes an awakeable, an id that somebody
outside can complete, mails it to the manager, and waits for the decision or a week, whichever comes
first. Nobody needs to know which process waits, or whether it was restarted meanwhile.

    curl localhost:8080/Expense/e-1/run/send --json '{"who": "ada", "what": "lathe", "euros": 900}'
    curl localhost:8080/Expense/e-1/status

The status, like the mail in the output, tells the id of the awakeable. Be the manager:

    curl localhost:8080/restate/awakeables/THE-ID/resolve --json '{"granted": true, "by": "joan"}'
    curl localhost:8080/restate/workflow/Expense/e-1/attach
"""

from dataclasses import dataclass
from datetime import timedelta

import perdure
from examples.outside import reach

expense = perdure.Workflow("Expense", description="Money that somebody wants back.")

#: Up to this sum nobody needs to be asked.
PETTY_EUROS = 50
PATIENCE = timedelta(days=7)


@dataclass
class Claim:
    """Who wants money for what."""

    who: str
    what: str
    euros: int


@dataclass
class Decision:
    """What a manager says."""

    granted: bool
    by: str


@dataclass
class Status:
    """How far a claim is; ``awakeable`` is there while somebody has to decide."""

    stage: str
    awakeable: str | None = None


@expense.main()
async def run(ctx: perdure.WorkflowContext, claim: Claim) -> Decision:
    """Pay, once whoever must has agreed."""
    decision = Decision(granted=True, by="nobody")
    if claim.euros > PETTY_EUROS:
        decision = await _decision(ctx, claim)
    if decision.granted:
        await ctx.run_typed("pay", pay, who=claim.who, euros=claim.euros)
    ctx.set("status", Status("paid" if decision.granted else "refused"))
    return decision


@expense.handler()
async def status(ctx: perdure.WorkflowSharedContext) -> Status:
    """Tell how far it is."""
    return await ctx.get("status", type_hint=Status) or Status("unknown")


async def _decision(ctx: perdure.WorkflowContext, claim: Claim) -> Decision:
    awakeable, decided = ctx.awakeable(type_hint=Decision)
    await ctx.run_typed("ask", ask_manager, claim=claim, awakeable=awakeable)
    ctx.set("status", Status("waiting for the manager", awakeable))
    match await perdure.select(decided=decided, silence=ctx.sleep(PATIENCE)):
        case ["decided", Decision() as decision]:
            return decision
    return Decision(granted=False, by="silence")


def ask_manager(claim: Claim, awakeable: str) -> None:
    """Mail the manager."""
    reach(f"mail: {claim.who} wants {claim.euros} euros for {claim.what}; decide on {awakeable}")


def pay(who: str, euros: int) -> None:
    """Move the money."""
    reach(f"pay {euros} euros to {who}")


app = perdure.app([expense])
