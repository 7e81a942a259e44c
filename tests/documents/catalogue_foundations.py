"""Plans for the pages under ``foundations``, ``guides`` and ``services``."""

from __future__ import annotations

from types import SimpleNamespace

import pydantic
from plans import ANYTHING, Call, Catalogue, Names, Plan, Refused, World, callees, fragment, hurry

import perdure


class Person(pydantic.BaseModel):
    name: str
    email: str


class Item(pydantic.BaseModel):
    price: float
    quantity: int = 1


class Cart(pydantic.BaseModel):
    items: list[Item] = []


class Done(pydantic.BaseModel):
    ok: bool = True


class Subscription(pydantic.BaseModel):
    user_id: str = "ada"
    credit_card: str = "4000"
    subscriptions: list[str] = ["Lathe", "Loom"]


class Subtasks(pydantic.BaseModel):
    subtasks: list[str]


class Booking(pydantic.BaseModel):
    customer_id: str = "ada"
    flight: str = "F1"
    car: str = "C1"
    hotel: str = "H1"


def _keyed(definition: perdure.VirtualObject, handler: str, answer: str) -> Names:
    @definition.handler(handler)
    async def run(_ctx: perdure.ObjectContext, _arg: object) -> str:
        return answer

    return {definition.name: definition, handler: run}


def _order_workflow() -> Names:
    flow = perdure.Workflow("OrderWorkflow")

    @flow.main()
    async def run(ctx: perdure.WorkflowContext, order: str) -> str:
        return f"{ctx.key()}: {order}"

    return {"flow": flow, "run": run}


def _sign_up(world: World) -> Names:
    async def send_verification_email(user: Person, secret: str) -> None:
        await world.post("/UserSignup/ada/click", secret)

    return {
        "User": Person,
        "create_user_entry": world.doing("create"),
        "send_verification_email": send_verification_email,
    }


def _split(task: str) -> Subtasks:
    return Subtasks(subtasks=task.split())


def _booked(world: World) -> Names:
    refusal = perdure.TerminalError("no room")
    return {
        "BookingRequest": Booking,
        "flight_client": _client(world, "flight"),
        "car_rental_client": _client(world, "car"),
        "hotel_client": SimpleNamespace(
            book=world.doing("book hotel", refusal), cancel=world.doing("cancel hotel")
        ),
    }


def _client(world: World, what: str) -> SimpleNamespace:
    return SimpleNamespace(
        book=world.doing(f"book {what}", "ok"),
        cancel=world.doing(f"cancel {what}"),
        reserve=world.doing(f"reserve {what}", "b-1"),
        confirm=world.doing(f"confirm {what}"),
    )


_SUBSCRIPTIONS = {
    "Context": perdure.Context,
    "SubscriptionRequest": Subscription,
}

_THREE_SERVICES = """
    subscription_service = restate.Service("SubscriptionService")
    cart_object = restate.VirtualObject("ShoppingCart")
    signup_workflow = restate.Workflow("UserSignup")
    @signup_workflow.main()
    async def run(ctx):
        pass
    """

_MAIN = """
    @my_workflow.main()
    async def run(ctx):
        pass
    """

_CONFIRMED_AND_APPROVED = """
    workflow_example_workflow = restate.Workflow("Example")
    @workflow_example_workflow.main()
    async def run(ctx: WorkflowContext):
        paid = await ctx.promise("payment-completed", type_hint=PaymentResult).value()
        return [paid.ok, await ctx.promise("manager-approval", type_hint=bool).value()]
    """

CATALOGUE: Catalogue = {
    "foundations/actions > Durable steps #1": fragment(
        "7dbbb7c4",
        before="user_id = 'ada'",
        names=lambda world: {
            "fetch_url": world.doing("fetch", "page"),
            "update_user_database": world.doing("update", True),
        },
        after="return [api_result, db_result, len(str(id))]",
        gives=["page", True, 36],
        seen=["fetch", "update"],
    ),
    "foundations/actions > Get #1": fragment(
        "6436f3ab",
        within="object",
        names={"UserProfile": Person, "ShoppingCart": Cart},
        after="return [profile, count, cart.items]",
        gives=[None, 0, []],
    ),
    "foundations/actions > Set #1": fragment(
        "a7cc4520",
        within="object",
        before="request = {'date': 'today'}; count = 1",
        names={"UserProfile": Person},
        after="return [await ctx.get(name) for name in await ctx.state_keys()]",
        gives=lambda values: (
            len(values) == 3
            and 2 in values
            and "today" in values
            and {"name": "John Doe", "email": "john@example.com"} in values
        ),
    ),
    "foundations/actions > Clear #1": fragment(
        "dd6a6cf1",
        within="object",
        before="ctx.set('shoppingCart', 1); ctx.set('other', 2)",
        after="return await ctx.state_keys()",
        gives=[],
    ),
    "foundations/actions > Request-response calls #1": fragment(
        "86cc4e98",
        before="user_id, order_id, order = 'ada', 'o-1', 'a loom'",
        modules={
            "validation_service": callees(perdure.Service("Validation"), validate_order=True),
            "user_account": _keyed(perdure.VirtualObject("Account"), "get_profile", "profile"),
            "order_workflow": _order_workflow(),
        },
        after="return [validation, profile, result]",
        gives=[True, "profile", "o-1: a loom"],
    ),
    "foundations/actions > Sending messages #1": fragment(
        "d51f7046",
        before="user_id = 'ada'",
        modules={
            "notification_service": callees(perdure.Service("Notifications"), send_email=None),
            "analytics_service": callees(perdure.Service("Analytics"), record_event=None),
            "shopping_cart_object": _keyed(
                perdure.VirtualObject("Carts"), "empty_expired_cart", "emptied"
            ),
        },
    ),
    "foundations/actions > Delayed messages #1": fragment(
        "b9c43d29",
        before="user_id, message = 'ada', 'hi'",
        modules={
            "notification_service": callees(perdure.Service("Notifications"), send_reminder=None)
        },
    ),
    "foundations/actions > Durable timers and timeouts #1": fragment(
        "8922b30d",
        depths="000000001212",
        before="order_id, order = 'o-1', 'a loom'",
        names=hurry(),
        modules={"order_workflow": _order_workflow()},
        gives=lambda result: result in ("o-1: a loom", None),
    ),
    "foundations/actions > Workflow events #1": fragment(
        "3a2ad288",
        within="workflow",
        names={"PaymentResult": Done, "InventoryConfirmation": Done},
        promises={
            "payment-completed": {"ok": True},
            "manager-approval": False,
            "payment": {"ok": True},
            "inventory": {"ok": False},
        },
        after="return [payment_result.ok, approved, (await payment).ok, (await inventory).ok]",
        gives=[True, False, True, False],
    ),
    "foundations/actions > Workflow events #2": Plan(
        digest="01ffc530",
        depths="00011001",
        before=_CONFIRMED_AND_APPROVED,
        names={"PaymentResult": Done},
        calls=[
            Call("/Example/w/confirm_payment", {"ok": True}),
            Call("/Example/w/approve_request", body=True),
            Call("/Example/w/run", None, [True, True]),
        ],
    ),
    "foundations/handlers > Writing handlers #1": Plan(
        digest="6a712882",
        depths="01",
        names={
            "Context": perdure.Context,
            "MyInput": Person,
            "ProcessingResult": Done,
            "process_data": lambda req: Done(ok=req.name == "Ada"),
        },
        after="service = restate.Service('Processing'); service.handler()(my_handler)",
        calls=[Call("/Processing/my_handler", {"name": "Ada", "email": "a"}, {"ok": True})],
    ),
    "foundations/invocations > Attaching to invocations #1": fragment(
        "601f7472", names=callees(perdure.Service("My"), my_handler=None)
    ),
    "foundations/invocations > Cancelling invocations #1": fragment(
        "b94a8a97", names=callees(perdure.Service("My"), my_handler=None)
    ),
    "foundations/services > Basic Service #1": Plan(
        digest="17c26d14",
        depths="000111111112222222",
        names=lambda world: {
            **_SUBSCRIPTIONS,
            "create_recurring_payment": world.doing("pay", "p-1"),
            "create_subscription": world.doing("subscribe"),
        },
        calls=[Call("/SubscriptionService/add", {})],
        seen=["pay", "subscribe", "subscribe"],
    ),
    "foundations/services > Virtual Object #1": Plan(
        digest="050d7701",
        depths="00011110011",
        names={"Item": Item, "Cart": Cart},
        calls=[
            Call("/ShoppingCart/ada/add_item", {"price": 1.5, "quantity": 2}, ANYTHING),
            Call("/ShoppingCart/ada/add_item", {"price": 4}, lambda cart: len(cart["items"]) == 2),
            Call("/ShoppingCart/ada/get_total", None, 7),
        ],
    ),
    "foundations/services > Workflow #1": Plan(
        digest="dc73e681",
        depths="0001111111001",
        names=_sign_up,
        calls=[Call("/UserSignup/ada/run", {"name": "Ada", "email": "a"}, gives=True)],
        seen=["create"],
    ),
    "foundations/services > Deployments, Endpoints, and Versions #1": Plan(
        digest="40d1740f", depths="00111", before=_THREE_SERVICES
    ),
    "guides/error-handling > At the Run-Block-Level #1": fragment(
        "f34a8688",
        names=lambda world: {"write_to_other_system": world.doing("write")},
        seen=["write"],
    ),
    "guides/error-handling > Application errors (terminal) #1": fragment(
        "146287af", gives=Refused("Something went wrong.")
    ),
    "guides/error-handling > Application errors (terminal) #2": fragment(
        "19ca6454",
        depths="0110111",
        names=lambda world: {
            "write_to_other_system": world.doing("write", ConnectionError("down"))
        },
        gives=Refused(),
        seen=["write", "write", "write"],
    ),
    "guides/error-handling > Dead-letter queue #1": Plan(
        digest="19b77efd",
        depths="001222122",
        before="my_service = restate.Service('MyService')",
        names=lambda world: {
            "decode_request": world.doing("decode", perdure.TerminalError("unreadable", 422))
        },
        calls=[Call("/MyService/my_handler", None, Refused("unreadable", 422))],
    ),
    "guides/error-handling > Timeouts for context actions #1": fragment(
        "a48f0075",
        depths="00001212",
        names=callees(perdure.Service("MyService"), my_service_handler="hi"),
    ),
    "guides/parallelizing-work > Example #1": Plan(
        digest="284da0b6",
        depths="000111111111110011111",
        names={
            "Task": str,
            "Result": list[str],
            "split": _split,
            "execute_subtask": lambda subtask: subtask.upper(),
            "aggregate": sorted,
        },
        calls=[Call("/FanOutWorker/run", "b c a", ["A", "B", "C"])],
    ),
    "guides/sagas > Example #1": Plan(
        digest="a7217640",
        depths="0001122222222222212320011111",
        names=_booked,
        calls=[Call("/BookingWorkflow/run", {}, Refused("no room"))],
        seen=[
            "book flight",
            "book car",
            "book hotel",
            "cancel hotel",
            "cancel car",
            "cancel flight",
        ],
    ),
    "guides/sagas > Advanced: Idempotency and compensations #1": fragment(
        "e41fbd4e",
        before="compensations, customer_id, flight = [], 'ada', 'F1'",
        names=lambda world: {"flight_client": _client(world, "flight")},
        after="await compensations[0]()",
        seen=["reserve flight", "confirm flight", "cancel flight"],
    ),
    "guides/sagas > Advanced: Idempotency and compensations #2": fragment(
        "3865af2d",
        before="compensations, payment_info = [], 'card'",
        names=lambda world: {
            "payment": SimpleNamespace(charge=world.doing("charge"), refund=world.doing("refund"))
        },
        after="await compensations[0]()",
        seen=["charge", "refund"],
    ),
    "services/configuration > Service-level configuration #1": Plan(digest="28093aee", after=_MAIN),
    "services/configuration > Handler-level configuration #1": Plan(
        digest="43ec5ae2",
        depths="0" * 17 + "11",
        before="my_workflow = restate.Workflow('MyWorkflow')",
        calls=[Call("/MyWorkflow/w/run", "go", Refused(status=400))],
    ),
    "services/invocation/kafka > Invoking Handlers via Kafka Events #1": fragment(
        "80d99458", after="return 'user-agent' in ctx.request().headers", gives=True
    ),
}
