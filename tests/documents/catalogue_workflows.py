"""Plans for the pages about workflows."""

from __future__ import annotations

import types
from typing import Any

import httpx
import pydantic
from plans import Call, Catalogue, Names, Plan, Refused, World, callees, fragment, hurry

import perdure


class Person(pydantic.BaseModel):
    name: str
    email: str = "a@example.org"


class NewUser(pydantic.BaseModel):
    user_id: str
    user: Person


class UserStatus(pydantic.BaseModel):
    status: str | None
    user: dict[str, str] | None


class Secret(pydantic.BaseModel):
    secret: str


def _users(world: World, **results: Any) -> dict[str, Any]:
    steps = (
        "create_user",
        "activate_user",
        "send_welcome_email",
        "delete_user",
        "deactivate_user",
        "cancel_subscription",
        "subscribe_to_paid_plan",
    )
    # A user that was created is the one result that the snippets look at.
    known = {"create_user": True, **results}
    return {"User": Person} | {step: world.doing(step, known.get(step)) for step in steps}


def _verified(world: World, workflow: str, step: str) -> dict[str, Any]:
    """Let a step of the outside world bring the secret back."""

    async def bring(user_id: str, user: Person, verification_secret: str) -> None:
        await world.post(f"/{workflow}/{user_id}/verifyEmail", {"secret": verification_secret})

    mails = {
        "send_verification_email": world.doing("verify"),
        "send_reminder_email": world.doing("remind"),
    }
    return {"User": Person, "VerifyEmailRequest": Secret, **mails, step: bring}


def _requests(world: World) -> Names:
    """Stand in for the requests package, with the port that the server got."""

    def post(url: str, **rest: Any) -> httpx.Response:
        return httpx.post(url.replace("http://127.0.0.1:8080", world.ingress_url), **rest)

    return {"requests": types.SimpleNamespace(post=post)}


_ADA = {"name": "Ada", "email": "a@example.org"}

CATALOGUE: Catalogue = {
    "tour/workflows > Getting Started #1": Plan(
        digest="36c8fd0e",
        depths="000111121111",
        names=_users,
        calls=[Call("/SignupWorkflow/ada/run", _ADA, gives=True)],
        seen=["create_user", "activate_user", "send_welcome_email"],
    ),
    "tour/workflows > Submitting Workflows #1": Plan(
        digest="8af0ef41",
        depths="11111",
        names=_requests,
        before="def submit():",
        after="""
                return response.json()

            signup = restate.Workflow("SignupWorkflow")
            @signup.main()
            async def run(ctx: WorkflowContext, user: dict) -> str:
                return f"{ctx.key()}: {user['email']}"

            visitor = restate.Service("Visitor")
            @visitor.handler()
            async def visit(ctx: Context) -> str:
                return await ctx.run_typed("submit", submit)
            """,
        calls=[Call("/Visitor/visit", None, "user-123: john@mail.com")],
    ),
    "tour/workflows > Durable Execution #1": Plan(
        digest="6bc47ca3",
        depths="011",
        names=lambda world: {"User": Person, "fail_on_alice": world.doing("fail")},
        after="""
            service = restate.Service("Mail")
            @service.handler()
            async def welcome(ctx, user: User):
                await ctx.run_typed("welcome", send_welcome_email, user=user)
            """,
        calls=[Call("/Mail/welcome", _ADA)],
        seen=["fail"],
    ),
    "tour/workflows > In-line Steps vs. Separate Activities #1": fragment(
        "2144b6da",
        depths="000001000",
        before="user_id, user = 'ada', User(name='Ada')",
        names=lambda world: {
            **_users(world),
            "CreateUserRequest": NewUser,
            **callees(perdure.Service("Users"), create_user_handler=True),
        },
        seen=["activate_user", "send_welcome_email"],
    ),
    "tour/workflows > Querying Workflow State #1": Plan(
        digest="52b26feb",
        depths="0001111221111001",
        names=lambda world: {**_users(world), "StatusResponse": UserStatus},
        calls=[
            Call("/SignupWithQueriesWorkflow/ada/run", _ADA, gives=True),
            Call(
                "/SignupWithQueriesWorkflow/ada/getStatus",
                None,
                {"status": "created", "user": _ADA},
            ),
        ],
    ),
    "tour/workflows > Signaling #1": Plan(
        digest="a5dff98b",
        depths="00011111111111110011",
        names=lambda world: _verified(
            world, "SignupWithSignalsWorkflow", "send_verification_email"
        ),
        calls=[Call("/SignupWithSignalsWorkflow/ada/run", _ADA, gives=True)],
    ),
    "tour/workflows > Workflow Events #1": Plan(
        digest="22e4bf5c",
        depths="000111221111001",
        names=_users,
        calls=[
            Call("/SignupWithEventsWorkflow/ada/run", _ADA, gives=True),
            Call("/SignupWithEventsWorkflow/ada/waitForUserCreation", None, "User created."),
        ],
    ),
    "tour/workflows > Timers and Scheduling #1": Plan(
        digest="dd38e558",
        depths="00011111111111122222222343444444434001",
        names=lambda world: {
            **_verified(world, "SignupWithTimersWorkflow", "send_reminder_email"),
            **hurry(1_000),
        },
        calls=[Call("/SignupWithTimersWorkflow/ada/run", _ADA, gives=True)],
        seen=["verify"],
    ),
    "tour/workflows > Transient vs Terminal Errors #1": fragment(
        "0703d564", gives=Refused("Invalid credit card")
    ),
    "tour/workflows > Configuring Retry Behavior #1": Plan(
        digest="3bb08e9f",
        depths="00011121112222222212221",
        names=lambda world: _users(world, send_welcome_email=ConnectionError("down")),
        calls=[Call("/SignupWithRetriesWorkflow/ada/run", _ADA, gives=True)],
        seen=["create_user", "activate_user", *["send_welcome_email"] * 3],
    ),
    "tour/workflows > Sagas and rollback #1": Plan(
        digest="58c6318e",
        depths="000111222222222222122321",
        names=lambda world: _users(world, subscribe_to_paid_plan=perdure.TerminalError("no money")),
        calls=[Call("/SignupWithSagasWorkflow/ada/run", _ADA, gives=False)],
        seen=[
            "create_user",
            "activate_user",
            "subscribe_to_paid_plan",
            "cancel_subscription",
            "deactivate_user",
            "delete_user",
        ],
    ),
    "tour/workflows > Serverless Deployment #1": Plan(
        digest="b37af16f",
        before="""
            signup_workflow = restate.Workflow("SignupWorkflow")
            @signup_workflow.main()
            async def run(ctx):
                pass
            """,
    ),
    "use-cases/workflows > Workflows as code #1": Plan(
        digest="ccbe5bba",
        depths="0001111121111",
        names=_users,
        calls=[Call("/user-signup/ada/run", _ADA, {"success": True})],
        seen=["create_user", "activate_user", "send_welcome_email"],
    ),
}
