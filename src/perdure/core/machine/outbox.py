"""Messages between partitions: numbered and kept until taken, and taken once (invariant I7).

What an invocation sends to one in another partition is put into the outbox by the very record that
sends it. The leader ships it, again and again until it hears that the other partition has it in its
own log; that one remembers the last number it has taken, and drops what it took before.
"""

from __future__ import annotations

from perdure.core.machine.actions import Ship
from perdure.core.machine.step import Step
from perdure.core.model.records import Delivered, Message, Respond, Shipped
from perdure.core.tables.keys import outbox_key, partition_fact
from perdure.core.tables.tables import SENT, SHIPPED, TAKEN
from perdure.protocol.ids import InvocationId


def addressee(message: Message) -> InvocationId:
    """Say which invocation a message is for."""
    return message.caller.invocation_id if isinstance(message, Respond) else message.invocation_id


def post(step: Step, destination: int, message: Message) -> None:
    """Put a message for another partition into the outbox."""
    facts, name = step.tables.facts, partition_fact(SENT, destination)
    number = (facts.get(name) or 0) + 1
    facts.put(name, number)
    step.tables.outbox.insert(outbox_key(destination, number), message)
    step.act(Ship(destination, number))


def delivered(step: Step, body: Delivered) -> None:
    """Take the messages of another partition that were not taken before."""
    facts, name = step.tables.facts, partition_fact(TAKEN, body.source)
    taken = facts.get(name) or 0
    new = body.messages[max(0, taken + 1 - body.first) :]
    if not new:
        return
    facts.put(name, body.first + len(body.messages) - 1)
    for message in new:
        step.deliver(message)


def shipped(step: Step, body: Shipped) -> None:
    """Forget the messages that another partition has taken."""
    tables, name = step.tables, partition_fact(SHIPPED, body.destination)
    before = tables.facts.get(name) or 0
    for number in range(before + 1, body.upto + 1):
        tables.outbox.delete(outbox_key(body.destination, number))
    if body.upto > before:
        tables.facts.put(name, body.upto)
