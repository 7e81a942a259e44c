"""Context managers around attempts, whose value handlers find where they need it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class contextvar(Generic[P, T]):  # noqa: N801 - a decorator, by the official SDK's name
    """Keeps what a context manager gives within reach while it is entered.

    ``invocation_context_managers`` take managers that give nothing. Decorated with this, one that
    gives something fits there, and whatever runs inside reads it as ``value``.

    Example:
        ```python
        @contextvar
        @asynccontextmanager
        async def database():
            async with connect() as connection:
                yield connection

        service = Service("Orders", invocation_context_managers=[database])
        # In a handler, or in what it calls:
        database.value.execute(...)
        ```

    Args:
        func: Makes the context manager.
    """

    def __init__(self, func: Callable[P, AbstractAsyncContextManager[T]]) -> None:
        self._func = func
        self._variable: ContextVar[T] = ContextVar(getattr(func, "__name__", "contextvar"))

    @property
    def value(self) -> T:
        """What the context manager gave.

        Raises:
            LookupError: this code does not run inside of it.
        """
        try:
            return self._variable.get()
        except LookupError:
            name = self._variable.name
            raise LookupError(f"{name} is not entered here: write `async with {name}():`") from None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[None]:
        """Make the context manager; inside of it, :attr:`value` is what it gave."""
        return self._entered(self._func(*args, **kwargs))

    @asynccontextmanager
    async def _entered(self, manager: AbstractAsyncContextManager[T]) -> AsyncIterator[None]:
        async with manager as value:
            token = self._variable.set(value)
            try:
                yield
            finally:
                self._variable.reset(token)
