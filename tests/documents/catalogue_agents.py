"""Plans for the pages about agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydantic
from agents import FRAMEWORK, Agent, ChatCompletion, RunContextWrapper, open_ai
from plans import Call, Catalogue, Names, Plan, Refused, World, callees, fragment

import perdure


class Weather(pydantic.BaseModel):
    sky: str


class Claim(pydantic.BaseModel):
    euros: int = 3


def _weather(world: World) -> Names:
    async def call_weather_api(city: str) -> str:
        return f"fog over {city}"

    return {
        "WeatherResponse": Weather,
        "fail_on_denver": world.doing("look for Denver"),
        "call_weather_api": call_weather_api,
        "parse_weather_data": lambda sky: Weather(sky=sky),
    }


class City(pydantic.BaseModel):
    city: str = "Ulm"


class Prompt(pydantic.BaseModel):
    message: str
    booking_id: str = ""


_CLAIM: Names = {"InsuranceClaim": Claim}


def _weather_agent(world: World) -> Names:
    async def fetch_weather(city: str) -> Weather:
        return Weather(sky=f"fog over {city}")

    return {
        **FRAMEWORK,
        "WeatherRequest": City,
        "WeatherResponse": Weather,
        "WeatherPrompt": Prompt,
        "fetch_weather": fetch_weather,
    }


def _open_ai() -> Names:
    return {"OpenAI": open_ai, "ChatCompletion": ChatCompletion}


def _with_an_agent(tool: str) -> str:
    """Give lines that serve an agent with one tool."""
    return f"""
        anybody = restate.Service("Anybody")
        @anybody.handler()
        async def run(ctx: Context, question: str) -> str:
            agent = Agent(name="Anybody", tools=[{tool}])
            config = RunConfig(model="m", model_provider=DurableModelCalls(ctx))
            result = await Runner.run(agent, input=question, context=ctx, run_config=config)
            return result.final_output
        """


async def _eligibility(_wrapper: RunContextWrapper[Any], _claim: Claim) -> str:
    return "eligible"


def _hopeless_agent() -> Agent[Any]:
    async def tool(_wrapper: RunContextWrapper[Any], _city: City) -> str:
        raise perdure.TerminalError("There is no weather")

    return Agent(name="Hopeless", tools=[tool])


def _bookings(world: World) -> Names:
    refusal = perdure.TerminalError("No flight on that day")
    return {
        **FRAMEWORK,
        "BookingPrompt": Prompt,
        "BookingResult": str,
        "Callable": Callable,
        "ConfigDict": pydantic.ConfigDict,
        "Field": pydantic.Field,
        "FlightBooking": City,
        "HotelBooking": City,
        "cancel_flight": world.doing("cancel the flight"),
        "cancel_hotel": world.doing("cancel the hotel"),
        "reserve_flight": world.doing("book a flight", refusal),
        "reserve_hotel": world.doing("book a hotel", "h-1"),
    }


_FORECAST = """
    weather = restate.Service("Weather")
    @weather.handler()
    async def forecast(ctx: restate.Context, city: str) -> WeatherResponse:
        return await ctx.run_typed("fetch", fetch_weather, city=city)
    """


def _approval(world: World) -> Names:
    async def request_human_review(claim: Claim, awakeable_id: str) -> None:
        await world.resolve(awakeable_id, "approved")

    return {"InsuranceClaim": Claim, "request_human_review": request_human_review}


CATALOGUE: Catalogue = {
    "ai-quickstart > AI Agent Quickstart #1": Plan(
        digest="5999f3c6",
        depths="001111110111100012222222221",
        names=_weather_agent,
        calls=[Call("/agent/run", "Sun?", "WeatherAgent on Sun?; sky='fog over Ulm'")],
    ),
    "ai-quickstart > AI Agent Quickstart #2": Plan(
        digest="6065e9dd",
        depths="0111",
        names=_weather,
        after=_FORECAST,
        calls=[Call("/Weather/forecast", "Ulm", {"sky": "fog over Ulm"})],
    ),
    "tour/openai-agents > Creating a Durable Agent #1": Plan(
        digest="af63e518",
        depths="00111111011110001222222222221",
        names=_weather_agent,
        calls=[
            Call(
                "/WeatherAgent/run", {"message": "Sun?"}, "WeatherAgent on Sun?; sky='fog over Ulm'"
            )
        ],
    ),
    "tour/openai-agents > Creating a Durable Agent #2": Plan(
        digest="6065e9dd",
        depths="0111",
        names=_weather,
        after=_FORECAST,
        calls=[Call("/Weather/forecast", "Ulm", {"sky": "fog over Ulm"})],
        seen=["look for Denver"],
    ),
    "tour/openai-agents > Human-in-the-Loop Agent #1": Plan(
        digest="01a17118",
        depths="00111111112211",
        names=lambda world: {**FRAMEWORK, **_approval(world)},
        after=_with_an_agent("human_approval"),
        calls=[Call("/Anybody/run", "Go?", "Anybody on Go?; approved")],
    ),
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
    "tour/openai-agents > Resilient workflows as tools #2": Plan(
        digest="c0b71a48",
        depths="00111111",
        names={
            **FRAMEWORK,
            **_CLAIM,
            **callees(perdure.Service("Approval"), request_approval="yes"),
        },
        after=_with_an_agent("human_approval"),
        calls=[Call("/Anybody/run", "Go?", "Anybody on Go?; yes")],
    ),
    "tour/openai-agents > Virtual Objects as OpenAI Session Providers #1": Plan(
        digest="7f5916f1",
        depths="00012212222222221001",
        names={**FRAMEWORK, "ChatMessage": Prompt},
        before="from perdure import ObjectSharedContext",
        calls=[
            Call("/Chat/ada/message", {"message": "Hello"}, "Assistant on Hello"),
            Call("/Chat/ada/message", {"message": "Bye"}, "Assistant on Bye"),
            Call("/Chat/ada/get_history", None, ["Hello", "Bye"]),
        ],
    ),
    "tour/openai-agents > Agents as tools/handoffs #1": Plan(
        digest="b1334842",
        depths="011101111011110001111000112211221222222222211",
        names={**FRAMEWORK, **_CLAIM},
        calls=[
            Call("/MultiAgentClaimApproval/ada/run", {}, 'IntakeAgent on Claim: {"euros":3}'),
            Call("/MultiAgentClaimApproval/ada/run", {}, 'MedicalSpecialist on Claim: {"euros":3}'),
        ],
    ),
    "tour/openai-agents > Remote agents as tools #1": Plan(
        digest="47d544b7",
        depths="000111110111100012222222221",
        names={
            **FRAMEWORK,
            **_CLAIM,
            "check_eligibility": _eligibility,
            **callees(perdure.Service("Fraud"), run_fraud_agent="no fraud"),
        },
        calls=[
            Call(
                "/RemoteMultiAgentClaimApproval/run",
                {},
                'ClaimApprovalCoordinator on Claim: {"euros":3}; no fraud; eligible',
            )
        ],
    ),
    "tour/openai-agents > Parallel Tool Steps #1": Plan(
        digest="c6b8eb8b",
        depths="0011111122221",
        names={
            **FRAMEWORK,
            **_CLAIM,
            **{
                name: lambda claim: f"{claim.euros} euros"
                for name in ("check_eligibility", "compare_to_standard_rates", "check_fraud")
            },
        },
        after=_with_an_agent("calculate_metrics"),
        calls=[
            Call("/Anybody/run", "Go?", "Anybody on Go?; ['3 euros', '3 euros', '3 euros']"),
        ],
    ),
    "tour/openai-agents > Parallel Agents #1": Plan(
        digest="92508135",
        depths="00111111112222222222221",
        names={
            **FRAMEWORK,
            **_CLAIM,
            **callees(
                perdure.Service("Others"),
                run_eligibility_agent="E",
                run_rate_comparison_agent="R",
                run_fraud_agent="F",
            ),
        },
        before="agent_service = restate.Service('Parallel')",
        calls=[
            Call("/Parallel/run", {}, lambda told: told.endswith("Eligibility: E Cost R Fraud: F"))
        ],
    ),
    "tour/openai-agents > Error Handling #1": fragment(
        "35b6c2f7", gives=Refused("This tool is not allowed to run for this input.")
    ),
    "tour/openai-agents > Retries of LLM calls #1": fragment(
        "14d5b93c",
        depths="01111",
        names=FRAMEWORK,
        before="restate_context = ctx; result = await Runner.run(Agent(name='A'), input='Hi',",
        after=")\nreturn result.final_output",
        gives="A on Hi",
    ),
    "tour/openai-agents > Surfacing suspensions and terminal errors #1": Plan(
        digest="92bbe843",
        depths="0011111",
        names=_weather_agent,
        after=_with_an_agent("get_weather"),
        calls=[Call("/Anybody/run", "Sun?", "Anybody on Sun?; sky='fog over Ulm'")],
    ),
    "tour/openai-agents > Surfacing suspensions and terminal errors #2": fragment(
        "27cfdca8",
        depths="01222222222011",
        names={**FRAMEWORK, "prompt": Prompt(message="Go"), "weather_agent": _hopeless_agent()},
        before="restate_context = ctx",
        gives="The agent couldn't complete the request.",
    ),
    "tour/openai-agents > Advanced patterns #1": Plan(
        digest="1c9fa815",
        depths="0001111111110010011122333333332222322344445555",
        names=lambda world: {**_weather_agent(world), **_open_ai()},
        calls=[Call("/ManualLoopAgent/run", {"message": "Sun?"}, '{"sky":"fog over Ulm"}')],
    ),
    "tour/openai-agents > Advanced patterns #2": Plan(
        digest="754d174b",
        depths=("0111100011111122221122001111122221220000122122221123333333122321"),
        names=_bookings,
        calls=[
            Call(
                "/BookingWithRollbackAgent/book",
                {"message": "Go", "booking_id": "b-1"},
                Refused("No flight on that day"),
            )
        ],
        seen=["book a hotel", "book a flight", "cancel the flight", "cancel the hotel"],
    ),
}
