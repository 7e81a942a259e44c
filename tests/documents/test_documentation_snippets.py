"""All Python of the documentation runs."""

from __future__ import annotations

from pathlib import Path

import catalogue_agents
import catalogue_develop
import catalogue_foundations
import catalogue_microservices
import catalogue_workflows
import pytest
from playing import play
from snippets import Snippet, extract

DOCUMENTATION = Path(__file__).parents[3] / "shared" / "docs"

pytestmark = pytest.mark.skipif(
    not DOCUMENTATION.is_dir(), reason=f"the documentation is not there: {DOCUMENTATION}"
)

CATALOGUE = {
    **catalogue_agents.CATALOGUE,
    **catalogue_develop.CATALOGUE,
    **catalogue_foundations.CATALOGUE,
    **catalogue_microservices.CATALOGUE,
    **catalogue_workflows.CATALOGUE,
}


def read_snippets() -> dict[str, Snippet]:
    return {
        snippet.name: snippet
        for path in sorted(DOCUMENTATION.glob("*"))
        if path.suffix in {".txt", ".md"}
        for snippet in extract(path.read_text(), path.stem)
    }


@pytest.fixture(scope="module")
def snippets() -> dict[str, Snippet]:
    return read_snippets()


def test_every_snippet_is_catalogued(snippets):
    assert set(snippets) == set(CATALOGUE)


def test_every_catalogued_snippet_is_the_one_that_was_read(snippets):
    read = {name: snippet.digest for name, snippet in snippets.items()}
    assert read == {name: entry.digest for name, entry in CATALOGUE.items()}


@pytest.mark.parametrize("name", CATALOGUE)
def test_snippet(name, snippets):
    play(snippets[name], CATALOGUE[name])
