"""Durable execution: every step happens, and a step that happened is not repeated.

A reader subscribes to magazines: first a recurring payment is set up, then each publisher gets an
order. Bank and publishers fail now and then; a failed step is tried again, and the steps before it
are not: their results stand in the journal. Stop the process in the middle (Ctrl-C, or `kill -9`),
start it again, and watch it go on with the first step that is missing.

    curl localhost:8080/Subscriptions/subscribe --json \
        '{"reader": "ada", "card": "4000-1234", "magazines": ["Lathe", "Loom", "Lever"]}'

The card 0000-0000 is refused by the bank. No retry helps, so the caller is told at once:

    curl localhost:8080/Subscriptions/subscribe --json \
        '{"reader": "bob", "card": "0000-0000", "magazines": ["Lathe"]}'

A request with an idempotency key is carried out once, however often it is sent:

    curl localhost:8080/Subscriptions/subscribe -H 'idempotency-key: order-17' --json \
        '{"reader": "eve", "card": "4000-9876", "magazines": ["Loom"]}'
"""

from dataclasses import dataclass

import perdure
from examples.outside import reach

subscriptions = perdure.Service("Subscriptions", description="Magazines, paid for every month.")


@dataclass
class Order:
    """What a reader asks for."""

    reader: str
    card: str
    magazines: list[str]


@dataclass
class Receipt:
    """What a reader gets."""

    payment: str
    copies: list[str]


@subscriptions.handler()
async def subscribe(ctx: perdure.Context, order: Order) -> Receipt:
    """Set up the payment, then order each magazine."""
    # The same in every attempt: the bank sees one payment, however often it is asked.
    payment = str(ctx.uuid())
    await ctx.run_typed("payment", set_up_payment, card=order.card, payment=payment)
    copies = []
    for magazine in order.magazines:
        copy = await ctx.run_typed(
            f"order {magazine}", order_magazine, magazine=magazine, reader=order.reader
        )
        copies.append(copy)
    return Receipt(payment, copies)


def set_up_payment(card: str, payment: str) -> None:
    """Ask the bank for a recurring payment."""
    if card == "0000-0000":
        raise perdure.TerminalError("the bank refuses this card", status_code=402)
    reach(f"set up payment {payment}")


def order_magazine(magazine: str, reader: str) -> str:
    """Ask a publisher for a copy each month."""
    reach(f"order {magazine} for {reader}")
    return f"{magazine} for {reader}"


app = perdure.app([subscriptions])
