from __future__ import annotations

import pytest
from peer_languages import LANGUAGES, LIGHT, Language
from peer_processes import running
from tool_chains import BuildError, MissingError

#: Over which version of HTTP, how soon the server asks for suspension, in how many processes.
WAYS = ["http2", "impatient", "partitioned", "http1"]


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
    """Give what makes sure that a language's programs are there; each is built once."""
    outcomes: dict[str, Exception | None] = {}

    def build(language: Language) -> None:
        if language.name not in outcomes:
            outcomes[language.name] = failure_to_build(language)
        match outcomes[language.name]:
            case MissingError() as missing if language.name in LIGHT:
                pytest.skip(f"{language.name}: {missing}")
            case Exception() as failure:
                pytest.fail(f"{language.name}: {failure}", pytrace=False)

    return build


def failure_to_build(language: Language) -> Exception | None:
    try:
        language.build()
    except (MissingError, BuildError) as failure:
        return failure
    return None


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
