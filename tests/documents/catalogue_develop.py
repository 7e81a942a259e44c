"""Plans for the pages under ``develop/python``."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

from plans import (
    ANYTHING,
    Call,
    Catalogue,
    Names,
    Plan,
    Refused,
    World,
    callees,
    fragment,
    hurry,
)

import perdure
import perdure.serde

_WEATHER = callees(perdure.Service("Weather"), claude_sonnet="sunny", open_ai="sunny")


def _my_services() -> Names:
    """Give the three services that the pages call, in modules of their own."""
    service = perdure.Service("MyService")
    target = perdure.VirtualObject("MyObject")
    flow = perdure.Workflow("MyWorkflow")

    @service.handler("my_handler")
    async def of_service(_ctx: perdure.Context, arg: str) -> str:
        return f"service {arg}"

    @target.handler("my_handler")
    async def of_object(ctx: perdure.ObjectContext, arg: str) -> str:
        return f"{ctx.key()} {arg}"

    @flow.main()
    async def run(ctx: perdure.WorkflowContext, arg: str) -> str:
        return f"{ctx.key()} {arg}"

    @flow.handler()
    async def interact_with_workflow(ctx: perdure.WorkflowSharedContext, arg: str) -> str:
        return f"{ctx.key()} heard {arg}"

    return {
        "services": service,
        "objects": target,
        "flows": flow,
        "my_service": SimpleNamespace(my_handler=of_service),
        "my_object": SimpleNamespace(my_handler=of_object),
        "my_workflow": SimpleNamespace(run=run, interact_with_workflow=interact_with_workflow),
    }


def _review(world: World) -> Names:
    async def request_human_review(name: str, id: str) -> None:  # noqa: A002 - so it is called
        await world.resolve(id, f"{name} is fine")

    return {"request_human_review": request_human_review}


class _UpperCase(perdure.serde.Serde[Any]):
    """JSON in capitals, to tell that it was used."""

    def serialize(self, obj: Any) -> bytes:
        return b"" if obj is None else json.dumps(obj).upper().encode()

    def deserialize(self, buf: bytes) -> Any:
        return json.loads(buf) if buf else None


_ECHO = """
    echo = restate.Service("Echo")
    @echo.handler(input_serde=MySerde(), output_serde=MySerde())
    async def again(ctx, data):
        assert data["my_number"] == 3
        return data
    """

_TWO_SERVICES = """
    my_service = restate.Service("MyService")
    my_object = restate.VirtualObject("MyObject")
    """

CATALOGUE: Catalogue = {
    "develop/python/concurrent-tasks > Parallelizing tasks #1": fragment(
        "efcd5a3c",
        names=lambda world: {
            "fetch_user_data": world.doing("user", "ada"),
            "fetch_order_history": world.doing("orders", [1]),
            **callees(perdure.Service("Metrics"), calculate_metrics=7),
        },
        after="return [user, orders, metrics]",
        gives=["ada", [1], 7],
    ),
    "develop/python/concurrent-tasks > Select #1": fragment(
        "3a06c8f7",
        depths="0000121212",
        names=hurry(),
        gives=Refused("Verification timer expired!"),
    ),
    "develop/python/concurrent-tasks > Wait completed #1": fragment(
        "36bbf7ad", depths="00000001", names=_WEATHER
    ),
    "develop/python/concurrent-tasks > Waiting for all tasks to complete #1": fragment(
        "91572c55", names=_WEATHER, after="return results", gives=["sunny", "sunny"]
    ),
    "develop/python/concurrent-tasks > Processing results as they complete #1": fragment(
        "5f73b1fd",
        depths="000000011",
        names=lambda world: {"call_llm": world.doing("llm", "sunny")},
        seen=["llm", "llm"],
    ),
    "develop/python/durable-steps > Run #1": fragment(
        "4806786f",
        depths="0110000",
        after="return [result, my_number]",
        gives=lambda result: result[0] == "llm response" and result[1] in range(11),
    ),
    "develop/python/durable-steps > Run #2": fragment(
        "dbffbb8b",
        depths="0111101111",
        names=lambda world: {
            "write_to_other_system": world.doing("write", ConnectionError("down")),
            **hurry(),
        },
        gives=Refused(),
        seen=["write"],
    ),
    "develop/python/durable-steps > Deterministic randoms #1": fragment(
        "8d3d7b4a", after="return str(my_uuid)", gives=lambda text: len(text) == 36
    ),
    "develop/python/durable-steps > UUIDs #1": fragment(
        "8d3d7b4a", after="return str(my_uuid)", gives=lambda text: len(text) == 36
    ),
    "develop/python/durable-steps > Random numbers #1": fragment("82166bcf"),
    "develop/python/durable-steps > Deterministic time #1": fragment(
        "dfa0d15e",
        after="return current_time",
        gives=lambda seconds: abs(seconds - time.time()) < 60,
    ),
    "develop/python/durable-timers > Durable sleep #1": fragment("37ad7b94", names=hurry()),
    "develop/python/durable-timers > Timers and timeouts #1": fragment(
        "4c3770fc", depths="00001212", names=_my_services()
    ),
    "develop/python/error-handling > Terminal Errors #1": fragment(
        "146287af", gives=Refused("Something went wrong.")
    ),
    "develop/python/external-events > Creating and waiting for awakeables #1": fragment(
        "5ebcfb67",
        before="name = 'ada'",
        names=_review,
        after="return review",
        gives="ada is fine",
    ),
    "develop/python/external-events > Via SDK (from other handlers) #1": fragment(
        "81100f35",
        before="name, promise = ctx.awakeable(type_hint=str); review = 'fine'",
        after="return await promise",
        gives="fine",
    ),
    "develop/python/external-events > Via SDK (from other handlers) #2": fragment(
        "c581cde6",
        before="name, promise = ctx.awakeable(type_hint=str)",
        after="return await promise",
        gives=Refused("Cannot be reviewed"),
    ),
    "develop/python/external-events > Creating and waiting for promises #1": fragment(
        "64210647",
        within="workflow",
        promises={"review": "fine"},
        after="return review",
        gives="fine",
    ),
    "develop/python/external-events > Resolving/rejecting promises #1": fragment(
        "d79116d6",
        within="workflow",
        before="review = 'fine'",
        after="return await ctx.promise('review').value()",
        gives="fine",
    ),
    "develop/python/external-events > Complete workflow example #1": Plan(
        digest="2163a0cb",
        depths="00011111100110",
        names=lambda world: {
            "ask_review": world.doing("ask"),
            "process_review": lambda document, review: f"{document}: {review}",
        },
        calls=[
            Call("/ReviewWorkflow/w/submit_review", "good"),
            Call("/ReviewWorkflow/w/run", "d-1", "d-1: good"),
        ],
        seen=["ask"],
    ),
    "develop/python/serialization > Using Pydantic #1": Plan(
        digest="231cc300",
        depths="0110111001111111",
        before="my_object = restate.VirtualObject('MyObject')",
        after="""
            def do_something():
                return Delivery(timestamp=datetime.now(), dimensions=(1, 2))
            """,
        calls=[
            Call(
                "/MyObject/a/deliver",
                {"timestamp": "2026-01-01T00:00:00Z", "dimensions": [1, 2]},
                lambda delivery: delivery["status"] == "delivered",
            ),
            Call("/MyObject/a/deliver", {"timestamp": "then"}, Refused(status=400)),
        ],
    ),
    "develop/python/serialization > Custom Serialization #1": Plan(
        digest="15a0647a",
        depths="011101232212322",
        after=_ECHO,
        calls=[
            Call(
                "/Echo/again",
                {"some_value": "x", "some_number": 3},
                {"some_value": "x", "some_number": 3},
            )
        ],
    ),
    "develop/python/serialization > Custom Serialization #2": Plan(
        digest="8622e88b",
        depths="0001111111",
        before="my_object = restate.VirtualObject('MyObject')",
        names={"MySerde": _UpperCase, "MyData": dict},
        calls=[Call("/MyObject/a/my_handler", "hi", "SOME-OUTPUT")],
    ),
    "develop/python/service-communication > Request-response calls #1": fragment(
        "fb757fe8",
        names=_my_services(),
        after="return response",
        gives="my_workflow_id heard Hi",
    ),
    "develop/python/service-communication > Request-response calls #2": fragment(
        "ec20902d", names=_my_services(), after="return json.loads(response)", gives="Mary Hi"
    ),
    "develop/python/service-communication > Sending messages #1": fragment(
        "9213ef3b", names=_my_services()
    ),
    "develop/python/service-communication > Sending messages #2": fragment(
        "eb520b29", names=_my_services()
    ),
    "develop/python/service-communication > Sending messages #3": fragment(
        "1534339a", names=_my_services()
    ),
    "develop/python/service-communication > Delayed messages #1": fragment(
        "add36965", names=_my_services()
    ),
    "develop/python/service-communication > Delayed messages #2": fragment(
        "78a018d7", names=_my_services()
    ),
    "develop/python/service-communication > Using an idempotency key #1": fragment(
        "1ed61b90", names=_my_services()
    ),
    "develop/python/service-communication > Attach to an invocation #1": fragment(
        "5c374401", names=_my_services(), after="return result", gives=ANYTHING
    ),
    "develop/python/service-communication > Cancel an invocation #1": fragment(
        "33545e72",
        before="""
            handle = ctx.service_send(
                my_service.my_handler, arg="Hi", send_delay=timedelta(hours=1)
            )
            invocation_id = await handle.invocation_id()
            """,
        names=_my_services(),
    ),
    "develop/python/services > Basic Services #1": Plan(
        digest="25e3eb5f", depths="000010", calls=[Call("/MyService/myHandler", "Hi", "$Hi!")]
    ),
    "develop/python/services > Virtual Objects #1": Plan(
        digest="0fd77d50",
        depths="000010010",
        calls=[
            Call("/MyVirtualObject/Mary/myHandler", "Hi", "$Hi $Mary!"),
            Call("/MyVirtualObject/Mary/my_concurrent_handler", "Hi", "$Hi $Mary!"),
        ],
    ),
    "develop/python/services > Workflows #1": Plan(
        digest="2b7df829",
        depths="00001100110",
        calls=[
            Call("/MyWorkflow/w/run", "go", "success"),
            Call("/MyWorkflow/w/interact_with_workflow", "hello"),
            Call("/MyWorkflow/w/run", "go", Refused(status=409)),
        ],
    ),
    "develop/python/serving > Creating the app #1": Plan(digest="a8c39378", before=_TWO_SERVICES),
    "develop/python/serving > Creating the app #2": Plan(
        digest="56a70fc4",
        before=_TWO_SERVICES
        + """
    @my_service.handler()
    async def greet(ctx: Context, name: str) -> str:
        return f"Hello {name}"
    """,
        mounted="/restate/v1",
        calls=[Call("/MyService/greet", "Ada", "Hello Ada")],
    ),
    "develop/python/serving > Hypercorn development server #1": Plan(
        digest="b363fc5f", depths="0111111"
    ),
    "develop/python/serving > Validating request identity #1": Plan(
        digest="bb079014", before=_TWO_SERVICES
    ),
    "develop/python/state > List all state keys #1": fragment(
        "cb8ddf6c",
        within="object",
        before="ctx.set('one', 1)",
        after="return await state_keys",
        gives=["one"],
    ),
    "develop/python/state > Get state value #1": fragment(
        "9218da16",
        within="object",
        after="return [my_string, my_number]",
        gives=["default-key", 123],
    ),
    "develop/python/state > Set state value #1": fragment(
        "43ef5c48",
        within="object",
        after="return await ctx.get('my-key')",
        gives="my-new-value",
    ),
    "develop/python/state > Clear state key #1": fragment(
        "fcb29143",
        within="object",
        before="ctx.set('my-key', 1); ctx.set('other', 2)",
        after="return await ctx.state_keys()",
        gives=["other"],
    ),
    "develop/python/state > Clear all state keys #1": fragment(
        "7370ebca",
        within="object",
        before="ctx.set('my-key', 1); ctx.set('other', 2)",
        after="return await ctx.state_keys()",
        gives=[],
    ),
    "develop/python/testing > Testing handlers #1": Plan(
        digest="301bb37e", depths="000010", calls=[Call("/greeter/greet", "Ada", "Hello Ada!")]
    ),
    "develop/python/testing > Testing handlers #2": Plan(
        digest="a0fe4449",
        depths="0011",
        before="""
            greeter = restate.Service("greeter")
            @greeter.handler()
            async def greet(ctx: restate.Context, name: str) -> str:
                return f"Hello {name}!"
            app = restate.app(services=[greeter])
            """,
        names=lambda world: {"print": world.seen.append},
        seen=["Hello Alice!"],
    ),
}
