from __future__ import annotations

import pytest
from peer_languages import LANGUAGES, LIGHT, Language, MissingError
from peer_processes import running

#: Over which version of HTTP, and how soon the server asks for suspension.
WAYS = ["http2", "impatient", "http1"]


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "interop: needs a tool chain of another language; runs in `make interop`"
    )


def pytest_collection_modifyitems(config, items):
    """Leave out what needs a tool chain, unless marks were asked for."""
    if config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("interop") is not None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item.get_closest_marker("interop") is None]


def params(*ways: str) -> list:
    """Give each language in each way that it has."""
    return [
        pytest.param(
            (language, way),
            id=f"{language.name}-{way}" if way else language.name,
            marks=[] if language.name in LIGHT else [pytest.mark.interop],
        )
        for language in LANGUAGES
        for way in ways
        if language.http1 or way != "http1"
    ]


@pytest.fixture(scope="session")
def built():
    """Give what makes sure that a language's programs are there, once."""
    done: dict[str, str | None] = {}

    def build(language: Language) -> None:
        if language.name not in done:
            try:
                done[language.name] = language.build()
            except MissingError as missing:
                done[language.name] = str(missing)
        if done[language.name] is not None:
            pytest.skip(f"{language.name}: {done[language.name]}")

    return build


@pytest.fixture(scope="session", params=params(*WAYS))
def world(request, tmp_path_factory, built):
    """A server of ours, with the services of one official SDK, reached in one way."""
    language, way = request.param
    built(language)
    with running(language, way, tmp_path_factory.mktemp(f"{language.name}-{way}")) as world:
        yield world


@pytest.fixture(params=params("signed"))
def signed(request, tmp_path, built):
    """A server of ours that signs its requests, with services that accept no others."""
    language, way = request.param
    built(language)
    with running(language, way, tmp_path) as world:
        yield world


@pytest.fixture(params=params("http2", "impatient"))
def fragile(request, tmp_path, built):
    """A server of ours that may be killed, with services that may be."""
    language, way = request.param
    built(language)
    with running(language, way, tmp_path) as world:
        yield world


@pytest.fixture(params=params(""))
def language(request, built) -> Language:
    """One language after the other, its programs built."""
    language, _ = request.param
    built(language)
    return language
