from example_support import ask, play
from examples.fan_out import app


def test_paragraphs_are_counted_apart_and_summed(tmp_path):
    async def scenario(client):
        text = "To be or not to be.\n\nThat is the question.\n\nTo be!"
        assert await ask(client, "/WordCount/count", text) == {
            "be": 3,
            "is": 1,
            "not": 1,
            "or": 1,
            "question": 1,
            "that": 1,
            "the": 1,
            "to": 3,
        }

    play(app, tmp_path, scenario)


def test_the_workers_are_not_for_everybody(tmp_path):
    async def scenario(client):
        response = await client.post("/WordCountWorker/count_part", json="text")
        assert response.status_code == 400

    play(app, tmp_path, scenario)
