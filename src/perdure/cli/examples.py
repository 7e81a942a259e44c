"""The examples that come with the package, one story a module, as sources to begin with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

from perdure.cli.errors import RefusedError, UsageError

#: Modules beside the stories: all of them at once, and what they share.
_NO_STORY: Final = frozenset({"__init__", "main"})
#: What is written out stands in a folder of its own, and is no package.
_SHARED_IMPORT: Final = re.compile(r"^from examples\.(\w+) import", re.MULTILINE)


class Example(NamedTuple):
    """An example: its name, and the first line of what it tells."""

    name: str
    summary: str


def examples_folder() -> Traversable:
    """Find the examples: in the installed package, or beside the sources.

    Raises:
        RefusedError: there are none.
    """
    for folder in (files("perdure") / "examples", Path(__file__).parents[3] / "examples"):
        if (folder / "greeter.py").is_file():
            return folder
    raise RefusedError("this installation of perdure brings no examples; install the package anew")


def list_examples(folder: Traversable) -> list[Example]:
    """List the examples of a folder by name: modules with an application."""
    found = []
    for file in folder.iterdir():
        name, _, suffix = file.name.rpartition(".")
        if suffix != "py" or name in _NO_STORY:
            continue
        module = ast.parse(file.read_text(encoding="utf-8"))
        if _has_application(module):
            found.append(Example(name, (ast.get_docstring(module) or "").partition("\n")[0]))
    return sorted(found)


def read_example(folder: Traversable, name: str) -> dict[str, str]:
    """Give the files of an example: name and content of its module, and of those it imports.

    Raises:
        UsageError: there is no such example.
    """
    names = [example.name for example in list_examples(folder)]
    if name not in names:
        raise UsageError(f"there is no example {name!r}; there are {', '.join(names)}")
    return dict(_sources(folder, name))


def write_example(sources: dict[str, str], target: Path) -> None:
    """Write files into a folder; those that are there as they should be stay.

    Raises:
        RefusedError: a file is there with other content, or cannot be written; nothing of it was
            overwritten.
    """
    for name, content in sources.items():
        path = target / name
        try:
            target.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(content, encoding="utf-8")
            elif path.read_text(encoding="utf-8") != content:
                raise RefusedError(
                    f"{path} is there already, and is another; name a folder with "
                    "--output-directory"
                )
        except (OSError, UnicodeDecodeError) as error:
            raise RefusedError(f"{path} cannot be written: {error}") from error


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, str]]:
    source = (folder / f"{name}.py").read_text(encoding="utf-8")
    yield f"{name}.py", _SHARED_IMPORT.sub(r"from \1 import", source)
    for shared in _SHARED_IMPORT.findall(source):
        yield from _sources(folder, shared)


def _has_application(module: ast.Module) -> bool:
    assigned = (node for node in module.body if isinstance(node, ast.Assign))
    targets = (target for node in assigned for target in node.targets)
    return any(isinstance(target, ast.Name) and target.id == "app" for target in targets)
