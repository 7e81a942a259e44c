"""Greeter: the lines of the README. A number is drawn once, whatever happens while it sleeps.

    curl localhost:8080/Greeter/greet -H 'idempotency-key: ada-1' --json '"Ada"'

Kill the process while it sleeps, start it again, and send the same request once more.
"""

import random
from datetime import timedelta

import perdure

greeter = perdure.Service("Greeter")


@greeter.handler()
async def greet(ctx: perdure.Context, name: str) -> str:
    number = await ctx.run_typed("draw", draw_number)
    await ctx.sleep(timedelta(seconds=20))
    return f"Hello {name}, your number is {number}"


def draw_number() -> int:
    number = random.randint(1, 1000)
    print("drew", number)
    return number


app = perdure.app([greeter])
