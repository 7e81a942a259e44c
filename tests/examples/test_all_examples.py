import importlib
import pkgutil
import re

import pytest
from example_support import play
from examples.main import app

import examples

MODULES = sorted(
    module.name
    for module in pkgutil.iter_modules(examples.__path__)
    if module.name not in {"main", "outside"}
)


def test_the_whole_application_serves_every_example(tmp_path):
    async def scenario(client):
        served = (await client.get("/restate/health")).json()["services"]
        assert sorted(served) == sorted(service.name for service in every_service())

    play(app, tmp_path, scenario)


@pytest.mark.parametrize("name", MODULES)
def test_curl_lines_name_handlers_that_exist(name):
    module = importlib.import_module(f"examples.{name}")
    known = {
        (service.name, handler) for service in module.app.services for handler in service.handlers
    }
    lines = re.findall(r"curl localhost:8080(/\S+)", module.__doc__)
    assert lines, "each example tells how to try it"
    for path in lines:
        if not path.startswith("/restate/"):
            segments = path.removesuffix("/send").strip("/").split("/")
            assert (segments[0], segments[-1]) in known


def every_service():
    for name in MODULES:
        yield from importlib.import_module(f"examples.{name}").app.services
