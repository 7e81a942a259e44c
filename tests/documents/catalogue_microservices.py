"""Plans for the quickstart and the pages about microservices and events."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

import pydantic
from plans import Call, Catalogue, Names, Plan, Refused, World, callees, fragment, hurry

import perdure


class Person(pydantic.BaseModel):
    name: str
    email: str = "a@example.org"


class Message(pydantic.BaseModel):
    message: str


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


CATALOGUE: Catalogue = {
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
}
