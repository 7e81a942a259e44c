from example_support import ask, play
from examples.durable_execution import app

ORDER = {"reader": "ada", "card": "4000-1234", "magazines": ["Lathe", "Loom", "Lever"]}


def test_every_magazine_is_ordered_under_one_payment(tmp_path, capsys):
    async def scenario(client):
        receipt = await ask(client, "/Subscriptions/subscribe", ORDER)
        assert receipt["copies"] == ["Lathe for ada", "Loom for ada", "Lever for ada"]
        effects = [line.strip() for line in capsys.readouterr().out.splitlines()]
        assert effects[0] == f"set up payment {receipt['payment']}"
        assert effects[1:] == [f"order {copy}" for copy in receipt["copies"]]

    play(app, tmp_path, scenario)


def test_a_refused_card_is_an_answer_and_not_retried(tmp_path, capsys):
    async def scenario(client):
        response = await client.post(
            "/Subscriptions/subscribe", json={**ORDER, "card": "0000-0000"}
        )
        assert response.status_code == 402
        assert response.json()["message"] == "the bank refuses this card"
        assert capsys.readouterr().out == ""

    play(app, tmp_path, scenario)


def test_an_idempotency_key_makes_two_requests_one(tmp_path):
    async def scenario(client):
        headers = {"idempotency-key": "order-17"}
        first = await ask(client, "/Subscriptions/subscribe", ORDER, headers=headers)
        again = await ask(client, "/Subscriptions/subscribe", ORDER, headers=headers)
        assert again == first

    play(app, tmp_path, scenario)


def test_a_wrong_order_is_refused_with_the_field_that_is_wrong(tmp_path):
    async def scenario(client):
        response = await client.post("/Subscriptions/subscribe", json={"reader": "ada"})
        assert response.status_code == 400
        assert "card" in response.json()["message"]

    play(app, tmp_path, scenario)
