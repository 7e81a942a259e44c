"""Plans for the pages about agents."""

from __future__ import annotations

import pydantic
from plans import Call, Catalogue, Names, Plan, Refused, Skipped, World, fragment

_AGENTS = "needs the openai-agents package"


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
    "ai-quickstart > AI Agent Quickstart #1": Skipped("5999f3c6", _AGENTS),
    "ai-quickstart > AI Agent Quickstart #2": Plan(
        digest="6065e9dd",
        depths="0111",
        names=_weather,
        after=_FORECAST,
        calls=[Call("/Weather/forecast", "Ulm", {"sky": "fog over Ulm"})],
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
}
