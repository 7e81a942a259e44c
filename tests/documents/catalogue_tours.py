"""Plans for the quickstarts, tours and use cases."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

import pydantic
from plans import Call, Catalogue, Names, Plan, Refused, Skipped, World, callees, fragment, hurry

import perdure

_AGENTS = "needs the openai-agents package"


class Person(pydantic.BaseModel):
    name: str
    email: str = "a@example.org"


class Message(pydantic.BaseModel):
    message: str


class Weather(pydantic.BaseModel):
    sky: str


class Subscription(pydantic.BaseModel):
    user_id: str = "ada"
    credit_card: str = "4000"
    subscriptions: list[str] = ["Lathe", "Loom"]


class SubscriptionResult(pydantic.BaseModel):
    success: bool
    payment_ref: str


class Ticket(pydantic.BaseModel):
    concert_date: str = "2030-01-01"


class Payment(pydantic.BaseModel):
    euros: int = 3


class PaymentResult(pydantic.BaseModel):
    success: bool
    transaction_id: str | None = None
    error_message: str | None = None


class Confirmation(pydantic.BaseModel):
    id: str
    result: PaymentResult


class Claim(pydantic.BaseModel):
    euros: int = 3


class NewUser(pydantic.BaseModel):
    user_id: str
    user: Person


class UserStatus(pydantic.BaseModel):
    status: str | None
    user: dict[str, str] | None


class Secret(pydantic.BaseModel):
    secret: str


class Location(pydantic.BaseModel):
    place: str


class Delivery(pydantic.BaseModel):
    locations: list[Location] = []


class Article(pydantic.BaseModel):
    id: str
    amount: int


class Order(pydantic.BaseModel):
    credit_card: str
    items: list[Article]


class PostStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"


def _weather(world: World) -> Names:
    async def call_weather_api(city: str) -> str:
        return f"fog over {city}"

    return {
        "WeatherResponse": Weather,
        "fail_on_denver": world.doing("look for Denver"),
        "call_weather_api": call_weather_api,
        "parse_weather_data": lambda sky: Weather(sky=sky),
    }


_FORECAST = """
    weather = restate.Service("Weather")
    @weather.handler()
    async def forecast(ctx: restate.Context, city: str) -> WeatherResponse:
        return await ctx.run_typed("fetch", fetch_weather, city=city)
    """


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


def _subscriptions(world: World, **results: Any) -> dict[str, Any]:
    known = {"create_recurring_payment": "p-1", **results}
    steps = (
        "create_recurring_payment",
        "remove_recurring_payment",
        "create_subscription",
        "remove_subscription",
    )
    stand_ins = {step: world.doing(step, known.get(step)) for step in steps}
    return {
        "SubscriptionRequest": Subscription,
        "SubscriptionResult": SubscriptionResult,
        **stand_ins,
    }


def _payments(world: World) -> dict[str, Any]:
    async def init_payment(req: Payment, payment_id: str, confirmation_id: str) -> str:
        confirmation = {"id": confirmation_id, "result": {"success": True}}
        await world.post("/Payments/confirm", confirmation)
        return "p-1"

    return {
        "PaymentRequest": Payment,
        "PaymentResult": PaymentResult,
        "ConfirmationRequest": Confirmation,
        "init_payment": init_payment,
        "cancel_payment": world.doing("cancel"),
    }


def _patient_payments(world: World) -> dict[str, Any]:
    return {**_payments(world), "init_payment": world.doing("begin", "p-1"), **hurry()}


def _approval(world: World) -> Names:
    async def request_human_review(claim: Claim, awakeable_id: str) -> None:
        await world.resolve(awakeable_id, "approved")

    return {"InsuranceClaim": Claim, "request_human_review": request_human_review}


def _verified(world: World, workflow: str, step: str) -> dict[str, Any]:
    """Let a step of the outside world bring the secret back."""

    async def bring(user_id: str, user: Person, verification_secret: str) -> None:
        await world.post(f"/{workflow}/{user_id}/verifyEmail", {"secret": verification_secret})

    mails = {
        "send_verification_email": world.doing("verify"),
        "send_reminder_email": world.doing("remind"),
    }
    return {"User": Person, "VerifyEmailRequest": Secret, **mails, step: bring}


def _posts(world: World) -> Names:
    def get_post_status(post_id: str) -> PostStatus:
        world.seen.append("look")
        return PostStatus.DONE if world.seen.count("look") == 3 else PostStatus.PENDING

    return {
        "SocialMediaPost": Message,
        "Status": PostStatus,
        "create_post": world.doing("create", "p-1"),
        "get_post_status": get_post_status,
        "update_user_feed": world.doing("update"),
        **hurry(),
    }


_ADA = {"name": "Ada", "email": "a@example.org"}

CATALOGUE: Catalogue = {
    "ai-quickstart > AI Agent Quickstart #1": Skipped("5999f3c6", _AGENTS),
    "ai-quickstart > AI Agent Quickstart #2": Plan(
        digest="6065e9dd",
        depths="0111",
        names=_weather,
        after=_FORECAST,
        calls=[Call("/Weather/forecast", "Ulm", {"sky": "fog over Ulm"})],
    ),
    "quickstart > Quickstart #1": Plan(
        digest="395c219d",
        depths="0001111111",
        names=lambda world: {
            "GreetingRequest": Person,
            "Greeting": Message,
            "send_notification": world.doing("notify"),
            "send_reminder": world.doing("remind"),
            **hurry(),
        },
        calls=[Call("/Greeter/greet", {"name": "Ada"}, {"message": "You said hi to Ada!"})],
        seen=["notify", "remind"],
    ),
    "tour/microservice-orchestration > Getting Started #1": Plan(
        digest="6fdaa9de",
        depths="000111111112222222",
        names=_subscriptions,
        calls=[Call("/SubscriptionService/add", {})],
        seen=["create_recurring_payment", "create_subscription", "create_subscription"],
    ),
    "tour/microservice-orchestration > Durable Execution #1": Plan(
        digest="65ac4e3c",
        depths="01111",
        names=lambda world: {
            "fail_on_netflix": world.doing("fail"),
            "terminal_error_on_disney": world.doing("refuse"),
        },
        after="""
            service = restate.Service("Subscriber")
            @service.handler()
            async def add(ctx, title: str) -> str:
                options = restate.RunOptions()
                return await ctx.run_typed("add", create_subscription, options, "ada", title, "p-1")
            """,
        calls=[Call("/Subscriber/add", "Loom", "SUCCESS")],
        seen=["fail", "refuse"],
    ),
    "tour/microservice-orchestration > Error Handling #1": fragment(
        "0703d564", gives=Refused("Invalid credit card")
    ),
    "tour/microservice-orchestration > Error Handling #2": fragment(
        "6d9c8f9f",
        before="req, payment_id = {'creditCard': '4000'}, 'p-1'",
        names=_subscriptions,
        after="return pay_ref",
        gives="p-1",
    ),
    "tour/microservice-orchestration > Sagas and Rollback #1": Plan(
        digest="8d10551f",
        depths="0001122222222222222223333333333333333312232",
        names=lambda world: _subscriptions(
            world, create_subscription=perdure.TerminalError("not for sale", 409)
        ),
        calls=[Call("/SubscriptionSaga/add", {}, Refused("not for sale", 409))],
        seen=[
            "create_recurring_payment",
            "create_subscription",
            "remove_subscription",
            "remove_recurring_payment",
        ],
    ),
    "tour/microservice-orchestration > Virtual Objects #1": Plan(
        digest="338e006c",
        depths="00011112211001",
        calls=[
            Call("/UserSubscriptions/ada/add", "Loom"),
            Call("/UserSubscriptions/ada/add", "Loom"),
            Call("/UserSubscriptions/ada/getSubscriptions", None, ["Loom"]),
        ],
    ),
    "tour/microservice-orchestration > Resilient Communication #1": Plan(
        digest="6f881aa1",
        depths="0001111111",
        names={
            "PurchaseTicketRequest": Ticket,
            "day_before": lambda _date: timedelta(days=1),
            **callees(
                perdure.Service("Helpers"), charge="p-1", email_ticket=None, send_reminder=None
            ),
        },
        calls=[
            Call("/ConcertTicketingService/buy", {}, lambda text: text.endswith("reference: p-1"))
        ],
    ),
    "tour/microservice-orchestration > External Events #1": Plan(
        digest="a1102f76",
        depths="00011111111111110011",
        names=_payments,
        calls=[Call("/Payments/process", {}, lambda result: result["success"])],
    ),
    "tour/microservice-orchestration > Durable Timers #1": Plan(
        digest="ba1cda2a",
        depths="000111111111111123233333001",
        names=_patient_payments,
        calls=[
            Call(
                "/PaymentsWithTimeout/process",
                {},
                lambda result: result["error_message"] == "Payment timeout",
            )
        ],
        seen=["begin", "cancel"],
    ),
    "tour/microservice-orchestration > Concurrent Tasks #1": Plan(
        digest="0fa01603",
        depths="000111111111122222222111",
        names=_subscriptions,
        calls=[
            Call("/ParallelSubscriptionService/add", {}, {"success": True, "payment_ref": "p-1"})
        ],
        seen=["create_recurring_payment", "create_subscription", "create_subscription"],
    ),
    "tour/openai-agents > Creating a Durable Agent #1": Skipped("af63e518", _AGENTS),
    "tour/openai-agents > Creating a Durable Agent #2": Plan(
        digest="6065e9dd",
        depths="0111",
        names=_weather,
        after=_FORECAST,
        calls=[Call("/Weather/forecast", "Ulm", {"sky": "fog over Ulm"})],
        seen=["look for Denver"],
    ),
    "tour/openai-agents > Human-in-the-Loop Agent #1": Skipped("01a17118", _AGENTS),
    "tour/openai-agents > Human-in-the-Loop Agent #2": fragment(
        "27618c55",
        depths="000001212",
        before="""
            restate_context = ctx
            approval_id, approval_promise = ctx.awakeable(type_hint=bool)
            ctx.resolve_awakeable(approval_id, True)
            """,
        gives="Approved",
    ),
    "tour/openai-agents > Resilient workflows as tools #1": Plan(
        digest="7ec52176",
        depths="000000111111111",
        names=_approval,
        calls=[Call("/HumanApprovalWorkflow/requestApproval", {}, "approved")],
    ),
    "tour/openai-agents > Resilient workflows as tools #2": Skipped("c0b71a48", _AGENTS),
    "tour/openai-agents > Virtual Objects as OpenAI Session Providers #1": Skipped(
        "7f5916f1", _AGENTS
    ),
    "tour/openai-agents > Agents as tools/handoffs #1": Skipped("b1334842", _AGENTS),
    "tour/openai-agents > Remote agents as tools #1": Skipped("47d544b7", _AGENTS),
    "tour/openai-agents > Parallel Tool Steps #1": Skipped("c6b8eb8b", _AGENTS),
    "tour/openai-agents > Parallel Agents #1": Skipped("92508135", _AGENTS),
    "tour/openai-agents > Error Handling #1": fragment(
        "35b6c2f7", gives=Refused("This tool is not allowed to run for this input.")
    ),
    "tour/openai-agents > Retries of LLM calls #1": Skipped("14d5b93c", _AGENTS),
    "tour/openai-agents > Surfacing suspensions and terminal errors #1": Skipped(
        "92bbe843", _AGENTS
    ),
    "tour/openai-agents > Surfacing suspensions and terminal errors #2": Skipped(
        "27cfdca8", _AGENTS
    ),
    "tour/openai-agents > Advanced patterns #1": Skipped("1c9fa815", "needs the openai package"),
    "tour/openai-agents > Advanced patterns #2": Skipped("754d174b", _AGENTS),
    "tour/workflows > Getting Started #1": Plan(
        digest="36c8fd0e",
        depths="000111121111",
        names=_users,
        calls=[Call("/SignupWorkflow/ada/run", _ADA, gives=True)],
        seen=["create_user", "activate_user", "send_welcome_email"],
    ),
    "tour/workflows > Submitting Workflows #1": Skipped(
        "8af0ef41", "a client on a fixed port, with the requests package"
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
    "use-cases/event-processing > Workflows from Kafka #1": Plan(
        digest="1dd0b77a",
        depths="0001111111121",
        names=_posts,
        calls=[Call("/UserFeed/ada/process_post", {"message": "hi"})],
        seen=["create", "look", "look", "look", "update"],
    ),
    "use-cases/event-processing > Stateful Event Handlers #1": Plan(
        digest="7cf0a3a4",
        depths="00010011211001121",
        names={"Delivery": Delivery, "Location": Location},
        calls=[
            Call("/DeliveryTracker/d/get_delivery", None, Refused("Delivery d not found")),
            Call("/DeliveryTracker/d/register", {}),
            Call("/DeliveryTracker/d/set_location", {"place": "Ulm"}),
            Call("/DeliveryTracker/d/get_delivery", None, {"locations": [{"place": "Ulm"}]}),
        ],
    ),
    "use-cases/microservice-orchestration > Resilient Orchestration #1": Plan(
        digest="f1a43c40",
        depths="0001111112221",
        names=lambda world: {
            "Order": Order,
            "charge_payment": world.doing("charge"),
            "reserve": world.doing("reserve"),
        },
        calls=[
            Call(
                "/OrderService/process",
                {"credit_card": "4000", "items": [{"id": "a", "amount": 1}]},
                lambda result: result["success"],
            )
        ],
        seen=["charge", "reserve"],
    ),
    "use-cases/microservice-orchestration > Reliable Communication & Idempotency #1": fragment(
        "1d16659b",
        before="req, ticket = {}, {}",
        names=callees(
            perdure.Service("Tickets"),
            charge_payment="paid",
            send_ticket_email=None,
            send_reminder=None,
        ),
        after="return result",
        gives="paid",
    ),
    "use-cases/microservice-orchestration > Durable Stateful Entities #1": Plan(
        digest="7a23d8a7",
        depths="000111211001",
        calls=[
            Call("/UserAccount/ada/update_balance", 10, 10),
            Call("/UserAccount/ada/update_balance", -20, Refused("Insufficient funds")),
            Call("/UserAccount/ada/get_balance", None, 10),
        ],
    ),
    "use-cases/workflows > Workflows as code #1": Plan(
        digest="ccbe5bba",
        depths="0001111121111",
        names=_users,
        calls=[Call("/user-signup/ada/run", _ADA, {"success": True})],
        seen=["create_user", "activate_user", "send_welcome_email"],
    ),
}
