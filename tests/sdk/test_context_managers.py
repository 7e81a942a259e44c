import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from perdure.sdk.context_managers import contextvar


@contextvar
@asynccontextmanager
async def resource(name: str = "default") -> AsyncIterator[str]:
    yield f"resource {name}"


def test_the_value_is_there_inside_and_not_outside():
    async def main() -> None:
        async with resource("a") as given:
            assert given is None
            assert resource.value == "resource a"
            async with resource():
                assert resource.value == "resource default"
            assert resource.value == "resource a"
        with pytest.raises(LookupError, match=r"resource is not entered here: write `async with"):
            _ = resource.value

    asyncio.run(main())


def test_tasks_have_each_their_own_value():
    async def use(name: str) -> str:
        async with resource(name):
            await asyncio.sleep(0)
            return resource.value

    async def main() -> list[str]:
        return await asyncio.gather(use("a"), use("b"))

    assert asyncio.run(main()) == ["resource a", "resource b"]


def test_the_value_can_be_none():
    @contextvar
    @asynccontextmanager
    async def nothing() -> AsyncIterator[None]:
        yield None

    async def main() -> None:
        async with nothing():
            assert nothing.value is None

    asyncio.run(main())
