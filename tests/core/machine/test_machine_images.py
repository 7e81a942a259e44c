"""An image that follows tables from one moment to the next is what one made anew would be."""

from __future__ import annotations

from images import Image, stored_bytes
from machine_values import SECOND, A, B, add, sleep, waits


def looked_at(image: Image) -> dict[str, object]:
    claims = {name: value for name, value in vars(image.claims).items() if name != "_made"}
    tables = {name: value for name, value in vars(image).items() if name != "claims"}
    return {**tables, "touched": None, **claims}


def test_an_image_that_follows_is_one_made_anew(world):
    image = Image({})

    def check() -> None:
        held = stored_bytes(world.tables, world.store.held)
        image.follow(held)
        assert looked_at(image) == looked_at(Image(held))

    for who in (A, B):
        world.invoke(add(), who)
        check()
    world.progress(A, sleep(world.now + SECOND, number=1), ending=waits(1))
    check()
    world.advance(SECOND)
    check()
    world.end(A)
    check()
    world.kill(B)
    check()
    world.advance(10**12)
    check()


def test_touched_are_those_whose_rows_differ(world):
    world.invoke(add(), A)
    image = Image(stored_bytes(world.tables, world.store.held))
    assert image.touched == {A}
    image.follow(stored_bytes(world.tables, world.store.held))
    assert image.touched == set()
    world.invoke(add(), B)
    image.follow(stored_bytes(world.tables, world.store.held))
    assert image.touched == {B}
