from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from perdure.sdk.errors import DefinitionError
from perdure.sdk.signatures import MISSING, HandlerSignature, read_signature

if TYPE_CHECKING:
    from perdure import Context


@dataclass
class Order:
    number: int


async def only_context(ctx):
    pass


async def untyped(ctx, order):
    pass


async def typed(ctx: Context, order: Order) -> list[Order]:
    return [order]


async def optional(ctx: Context, order: Order | None = None) -> None:
    pass


async def with_default(ctx: Context, name: str = "World", /) -> str:
    return name


async def quoted(ctx: Context, order: "Annotated[Order, 1]") -> "dict[str, 'Order']":  # noqa: UP037
    return {"": order}


async def extended(ctx: Context, order: Order, *, retries: int = 3) -> None:
    pass


class Callee:
    async def __call__(self, ctx: Context, order: Order) -> None:
        pass

    async def method(self, ctx: Context, order: Order) -> None:
        pass


def decorated(fn: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(fn)
    def call(*args: Any) -> Awaitable[Any]:
        return fn(*args)

    return call


ORDER = {"takes_input": True, "input_hint": Order}


@pytest.mark.parametrize(
    ("fn", "signature"),
    [
        (only_context, HandlerSignature(takes_input=False)),
        (untyped, HandlerSignature(takes_input=True)),
        (typed, HandlerSignature(**ORDER, output_hint=list[Order])),
        (decorated(typed), HandlerSignature(**ORDER, output_hint=list[Order])),
        (extended, HandlerSignature(**ORDER, output_hint=NoneType)),
        (Callee(), HandlerSignature(**ORDER, output_hint=NoneType)),
        (Callee().method, HandlerSignature(**ORDER, output_hint=NoneType)),
        (
            functools.partial(extended, retries=4),
            HandlerSignature(**ORDER, output_hint=NoneType),
        ),
        (
            optional,
            HandlerSignature(
                takes_input=True,
                input_hint=Order | None,
                input_default=None,
                output_hint=NoneType,
            ),
        ),
        (
            with_default,
            HandlerSignature(
                takes_input=True, input_hint=str, input_default="World", output_hint=str
            ),
        ),
        (
            quoted,
            HandlerSignature(
                takes_input=True,
                input_hint=Annotated[Order, 1],
                output_hint=dict[str, Order],
            ),
        ),
    ],
)
def test_signatures_are_read(fn: Any, signature: HandlerSignature):
    assert read_signature("handler 'f'", fn) == signature


def test_a_hint_can_name_what_the_closure_holds():
    @dataclass
    class Local:
        pass

    async def handler(ctx: Context, local: Local) -> None:
        assert Local

    assert read_signature("handler 'f'", handler).input_hint is Local


def synchronous(ctx: Context) -> None:
    pass


async def generator(ctx: Context) -> AsyncIterator[int]:
    yield 1


async def nothing() -> None:
    pass


async def method(self: Any, ctx: Context) -> None:
    pass


async def too_much(ctx: Context, first: int, second: int) -> None:
    pass


async def keyword(ctx: Context, *, order: Order) -> None:
    pass


async def anything(*args: Any) -> None:
    pass


async def unresolved_input(ctx: Context, order: NotThere) -> None:  # noqa: F821
    pass


async def unresolved_output(ctx: Context) -> NotThere:  # noqa: F821
    pass


async def malformed(ctx: Context, order: "list[") -> None:  # noqa: F722
    pass


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (synchronous, "asynchronous: write `async def`"),
        (generator, "returns its output once"),
        (nothing, "takes a context first"),
        (method, r"not a method of a class: write `\(ctx\)`"),
        (too_much, r"at most one input, not \(ctx, first, second\): put the values into"),
        (keyword, "by position, which .*order: 'Order'.* is not"),
        (anything, r"\*args.* is not: write `\(ctx, input\)`.*functools\.wraps"),
        (unresolved_input, "the hint of 'order', 'NotThere', cannot be resolved"),
        (unresolved_output, "the return hint, 'NotThere', cannot be resolved"),
        (malformed, r"the hint of 'order', .*list\[.* cannot be resolved"),
        (7, "a handler is a function, not int"),
    ],
)
def test_what_cannot_be_a_handler_is_refused(fn: Any, message: str):
    with pytest.raises(DefinitionError, match=f"^handler 'f': .*{message}"):
        read_signature("handler 'f'", fn)


def test_a_missing_hint_is_told_from_none():
    assert MISSING is not None
    assert read_signature("handler 'f'", only_context).output_hint is MISSING


def test_a_handler_may_close_over_a_name_that_is_bound_later():
    async def handler(ctx: Any, name: str) -> str:
        return later + name

    signature = read_signature("handler 'f'", handler)
    later = "!"
    assert signature.takes_input


def test_a_hint_that_is_a_value_is_refused():
    async def handle(ctx, number: 5): ...

    with pytest.raises(DefinitionError, match=r"hint of 'number', 5, is a value: write.*int"):
        read_signature("handler 'h'", handle)
