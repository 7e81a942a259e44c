"""What is held is counted, and whoever waits for less of it is told."""

from __future__ import annotations

import pytest

from perdure.engine.memory import LIGHT_BYTES, Memory


def test_it_is_full_from_its_limit_on_and_says_when_it_no_longer_is():
    freed = []
    memory = Memory(10, lambda: freed.append(memory.held))
    seen = []
    for change in (9, 1, -1, 5, -4, -1, -9):
        if change > 0:
            memory.held += change
        else:
            memory.release(-change)
        seen.append((memory.held, memory.full))
    assert seen == [
        (9, False),
        (10, True),
        (9, False),
        (14, True),
        (10, True),
        (9, False),
        (0, False),
    ]
    assert freed == [9, 9]


def test_nobody_needs_to_be_told():
    memory = Memory(10)
    memory.held += 10
    memory.release(10)
    assert memory.held == 0


HEAVY = LIGHT_BYTES + 1


@pytest.mark.parametrize(
    ("own", "others", "overgrown"),
    [
        (HEAVY, 3 * HEAVY - HEAVY, False),
        (HEAVY, 3 * HEAVY - HEAVY + 1, True),
        (LIGHT_BYTES, 100 * HEAVY, False),
        (100 * HEAVY, 0, False),
        (100 * HEAVY, 1, True),
        (0, 100 * HEAVY, False),
    ],
)
def test_who_holds_much_gives_it_back_when_all_hold_too_much(own, others, overgrown):
    memory = Memory(2 * HEAVY)
    memory.held = own + others
    assert memory.overgrown(own) is overgrown
