import re

from example_support import ask, play
from examples.saga import app

TRIP = {"traveller": "ada", "city": "Porto", "guide": "Rui"}


def test_everything_is_booked(tmp_path, capsys):
    async def scenario(client):
        booked = await ask(client, "/Trips/book", TRIP)
        assert booked == ["train to Porto", "room in Porto", "guide Rui in Porto"]
        assert [name for name, _ in effects(capsys)] == [f"book {what}" for what in booked]

    play(app, tmp_path, scenario)


def test_what_was_booked_before_a_refusal_is_given_back_from_the_end(tmp_path, capsys):
    async def scenario(client):
        response = await client.post("/Trips/book", json={**TRIP, "city": "Atlantis"})
        assert response.status_code == 409
        assert response.json()["message"] == "not to be had: guide Rui in Atlantis"
        done = effects(capsys)
        assert [name for name, _ in done] == [
            "book train to Atlantis",
            "book room in Atlantis",
            "cancel guide Rui in Atlantis",
            "cancel room in Atlantis",
            "cancel train to Atlantis",
        ]
        train, room, _, room_back, train_back = [booking for _, booking in done]
        assert (train_back, room_back) == (train, room)

    play(app, tmp_path, scenario)


def effects(capsys):
    return re.findall(r"^ *(.*) as ([-0-9a-f]{36})$", capsys.readouterr().out, re.MULTILINE)
