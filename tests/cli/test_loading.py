"""Finding the application that the command line names."""

from __future__ import annotations

import asyncio
import sys
from textwrap import dedent

import pytest

from perdure.cli.errors import EXIT_USAGE, CommandError
from perdure.cli.loading import load_application


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, and forget what was imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{tmp_path}/"):
            del sys.modules[name]


def write(folder, name, source):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(source))


def refusal(target) -> str:
    with pytest.raises(CommandError) as refused:
        load_application(target)
    assert refused.value.exit_code == EXIT_USAGE
    return str(refused.value)


def test_an_application_is_found_by_module_and_name(folder):
    write(folder, "one_shop.py", "import perdure\napp = perdure.app([perdure.Service('S')])")
    manifest = load_application("one_shop:app").host().manifest()
    assert [service.name for service in manifest.services] == ["S"]


def test_an_application_is_found_in_a_package(folder):
    write(folder, "two_shops/__init__.py", "")
    write(folder, "two_shops/main.py", "import perdure\nshop = perdure.app([])")
    assert load_application("two_shops.main:shop") is sys.modules["two_shops.main"].shop


@pytest.mark.parametrize("target", ["", "shop", "shop:", ":app"])
def test_a_target_that_names_no_application(folder, target):
    assert "write module:app, such as shop.main:app" in refusal(target)


@pytest.mark.parametrize("module", ["shop/main.py", "./shop/main", "shop.main.py", ".shop.main"])
def test_a_path_in_place_of_a_module(folder, module):
    write(folder, "shop/main.py", "import perdure\napp = perdure.app([])")
    assert "such as shop.main:app" in refusal(f"{module}:app")


def test_a_module_that_ends_the_process(folder):
    write(folder, "closed_shop.py", "raise SystemExit(3)")
    told = refusal("closed_shop:app")
    assert "module closed_shop cannot be imported" in told
    assert "SystemExit: 3" in told


@pytest.mark.parametrize("target", ["no_such_shop:app", "no_such_shop.main:app"])
def test_a_module_that_is_not_there(folder, target):
    told = refusal(target)
    assert "there is no module 'no_such_shop'" in told
    assert str(folder) in told
    assert "Traceback" not in told


def test_a_module_that_is_not_there_within_a_package(folder):
    write(folder, "a_package/__init__.py", "")
    assert "there is no module 'a_package.main'" in refusal("a_package.main:app")


def test_a_module_that_imports_what_is_not_there(folder):
    write(folder, "needy.py", "import no_such_library")
    told = refusal("needy:app")
    assert "module needy cannot be imported" in told
    assert 'needy.py", line 1' in told
    assert "No module named 'no_such_library'" in told


def test_a_module_that_fails_shows_where(folder):
    write(folder, "failing.py", "def f():\n    return 1 / 0\nf()")
    told = refusal("failing:app")
    assert "module failing cannot be imported" in told
    assert 'failing.py", line 2' in told
    assert "ZeroDivisionError" in told


def test_a_module_that_starts_a_loop_is_told_what_to_write(folder):
    write(
        folder,
        "eager.py",
        "import asyncio, contextlib\n"
        "async def set_up(): pass\n"
        "with contextlib.closing(set_up()) as setting_up:\n"
        "    asyncio.run(setting_up)",
    )

    async def serve() -> str:
        return refusal("eager:app")

    assert "perdure.app(..., lifespan=...)" in asyncio.run(serve())


def test_a_module_that_does_not_compile_shows_where(folder):
    write(folder, "unfinished.py", "def f(:\n")
    told = refusal("unfinished:app")
    assert 'unfinished.py", line 1' in told
    assert "SyntaxError" in told


def test_a_name_that_is_not_in_the_module(folder):
    write(folder, "nameless.py", "application = None")
    told = refusal("nameless:app")
    assert "module nameless has no 'app'; make one there with app = perdure.app(" in told


def test_another_application_of_the_module_is_offered(folder):
    write(folder, "named.py", "import perdure\nshop = perdure.app([])\nnumber = 5")
    assert refusal("named:app") == "module named has no 'app'; write named:shop"
    assert refusal("named:number").endswith("of type int; write named:shop")


def test_what_is_no_application(folder):
    write(folder, "services.py", "import perdure\napp = perdure.Service('S')")
    told = refusal("services:app")
    assert "is no application but of type Service" in told
    assert "app = perdure.app([...services...])" in told
