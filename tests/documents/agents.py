"""Agents without a model: as much of an agent framework as the documentation's pages use.

The model's part is played by a script: an agent calls each of its tools once, with the defaults of
their inputs, and answers with what they gave. Its calls of the model are steps in the journal.
"""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import pydantic
from plans import Names

import perdure

T = TypeVar("T")


@dataclass
class RunContextWrapper(Generic[T]):
    """What a tool gets first."""

    context: T


Tool = Callable[[RunContextWrapper[Any], Any], Awaitable[Any]]


def function_tool(*, failure_error_function: Any) -> Callable[[Tool], Tool]:
    """Make a tool of a function."""
    assert failure_error_function is raise_restate_errors
    return lambda function: function


def raise_restate_errors(error: Exception) -> None:
    """Let errors of tools pass."""
    raise error


@dataclass
class Agent(Generic[T]):
    """Somebody who has tools, or knows whom to ask."""

    name: str
    instructions: str = ""
    tools: list[Tool] = field(default_factory=list)
    handoff_description: str = ""
    handoffs: list[Agent[T]] = field(default_factory=list)


@dataclass
class DurableModelCalls:
    """Asks the model, once for each question."""

    context: perdure.Context
    max_retries: int | None = None

    async def ask(self, agent: str, question: str) -> str:
        options = perdure.RunOptions[str](max_attempts=self.max_retries)
        return await self.context.run_typed("model", lambda: f"{agent} on {question}", options)


@dataclass
class RestateSession:
    """What was said before, in the state of an object."""

    context: perdure.ObjectContext
    items: list[str]

    @classmethod
    async def create(cls, session_id: str, ctx: perdure.ObjectContext) -> RestateSession:
        assert session_id == ctx.key()
        return cls(ctx, await ctx.get("items", type_hint=list[str]) or [])

    def add(self, said: str) -> None:
        self.items.append(said)
        self.context.set("items", self.items)


@dataclass
class ModelSettings:
    parallel_tool_calls: bool


@dataclass
class RunConfig:
    model: str
    model_provider: DurableModelCalls
    model_settings: ModelSettings | None = None


class Runner:
    """Plays an agent."""

    @staticmethod
    async def run(
        agent: Agent[T],
        input: str,  # noqa: A002 - so it is called
        run_config: RunConfig,
        context: Any = None,
        session: RestateSession | None = None,
    ) -> SimpleNamespace:
        answers = [await run_config.model_provider.ask(agent.name, input)]
        for tool in agent.tools:
            given = list(typing.get_type_hints(tool).values())[1]
            answers.append(str(await tool(RunContextWrapper(context), given())))
        last = agent.handoffs[0] if agent.handoffs else agent
        if session is not None:
            session.add(input)
        return SimpleNamespace(final_output="; ".join(answers), last_agent=last)


FRAMEWORK: Names = {
    each.__name__: each
    for each in (
        Agent,
        DurableModelCalls,
        ModelSettings,
        RestateSession,
        RunConfig,
        RunContextWrapper,
        Runner,
        function_tool,
        raise_restate_errors,
    )
}


class Called(pydantic.BaseModel):
    name: str = "get_weather"
    arguments: str = '{"city": "Ulm"}'


class ToolCall(pydantic.BaseModel):
    id: str = "call-1"
    function: Called = Called()


class Said(pydantic.BaseModel):
    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(pydantic.BaseModel):
    message: Said


class ChatCompletion(pydantic.BaseModel):
    choices: list[Choice]


def open_ai() -> SimpleNamespace:
    """Give a client of a model that wants to know the weather, and then repeats what it heard."""

    def create(*, model: str, tools: list[Any], messages: list[Any]) -> ChatCompletion:
        assert (model, len(tools)) == ("gpt-4o", 1)
        heard = messages[-1]
        if heard["role"] == "user":
            return ChatCompletion(choices=[Choice(message=Said(tool_calls=[ToolCall()]))])
        return ChatCompletion(choices=[Choice(message=Said(content=heard["content"]))])

    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
