"""The languages whose official SDK is tried: how its programs are built, and how they are run.

What is downloaded and built for it goes to folders that git ignores.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tool_chains import HERE, PEERS, BuildError, MissingError, need, pip_install, run

TYPESCRIPT, GO, RUST, JAVA = (HERE / name for name in ("typescript", "go", "rust", "java"))
#: The SDK needs a newer Node.js than many systems have; npm brings one.
NODE = TYPESCRIPT / "node_modules" / ".bin" / "node"
#: The last version of the Python SDK that speaks no newer version of the protocol than 5.
OLDER_PYTHON_VERSION = "0.14.2"
OLDER_PYTHON = PEERS / f"python-{OLDER_PYTHON_VERSION}"


class Language(NamedTuple):
    """An official SDK, and the programs written with it.

    Attributes:
        build: makes the programs from what this folder holds; raises MissingError.
        serve: port, app and whether to speak HTTP/1.1, made the command that serves it.
        visit: the ingress and a key nobody has used, made the command of its client.
        folder: where the commands run.
        http1: whether the SDK can be served over HTTP/1.1.
        signals: whether the SDK has named signals.
        capitals: whether handlers of the tutorials have names of the language's own form.
    """

    name: str
    build: Callable[[], None]
    serve: Callable[[int, str, bool], Sequence[str]]
    visit: Callable[[str, str], Sequence[str]]
    folder: Path = HERE
    http1: bool = True
    signals: bool = True
    capitals: bool = False

    def handler(self, name: str) -> str:
        """Give the name of a tutorial's handler in this language."""
        return name.capitalize() if self.capitals else name


def build_python() -> None:
    for package in ("restate", "hypercorn"):
        if importlib.util.find_spec(package) is None:
            raise MissingError(f"{package} is not installed")


def python_serve(port: int, app: str, _http1: bool) -> list[str]:
    apps = {"interop": "python_services:app", "conformance": "python_conformance:app"}
    target = apps.get(app, f"python_tutorial:{app}")
    hypercorn = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}"]
    return [*hypercorn, "--keep-alive", "60", target]


def python_visit(url: str, key: str) -> list[str]:
    return [sys.executable, "python_visit.py", url, key]


def build_older_python() -> None:
    build_python()
    if not OLDER_PYTHON.exists():
        pip_install(f"restate-sdk=={OLDER_PYTHON_VERSION}", OLDER_PYTHON)


def with_older_python(command: Sequence[str]) -> list[str]:
    return ["env", f"PYTHONPATH={OLDER_PYTHON}", *command]


def build_typescript() -> None:
    wanted = (TYPESCRIPT / "package.json").read_bytes()
    installed = TYPESCRIPT / "node_modules" / "installed.json"
    if installed.exists() and installed.read_bytes() == wanted:
        return
    try:
        run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], TYPESCRIPT)
    except BuildError as failure:
        # Nothing is built here: what fails is the way to the registry.
        raise MissingError(str(failure)) from failure
    installed.write_bytes(wanted)


def build_go() -> None:
    need("go")
    folder = PEERS / "go"
    run(["go", "build", "-p", "1", "-o", str(folder / "services"), "."], GO, **go_places(folder))


def go_places(folder: Path) -> Mapping[str, str]:
    # Modules are written protected by default, and could then not be removed. An older Go, whatever
    # its distributor thinks of that, downloads the one that go.mod asks for.
    return {
        "GOMODCACHE": str(folder / "modules"),
        "GOCACHE": str(folder / "build"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "auto",
    }


def build_rust() -> None:
    need("rust")
    folder = PEERS / "rust"
    places = {"CARGO_HOME": str(folder / "home"), "CARGO_TARGET_DIR": str(folder / "target")}
    run(["cargo", "build", "--quiet", "--locked", "--jobs", "1"], RUST, **places)


def build_java() -> None:
    need("java")
    folder = PEERS / "java"
    places = [f"-Dmaven.repo.local={folder / 'repository'}", f"-Doutputs={folder / 'target'}"]
    run(["mvn", "--quiet", "--batch-mode", *places, "package"], JAVA)


def compiled(name: str, build: Callable[[], None], *program: str | Path, **facts: Any) -> Language:
    """Give a language whose one program is told in its arguments what to do."""
    start = [str(part) for part in program]
    return Language(
        name,
        build,
        lambda port, app, http1: [*start, str(port), app, "http1" if http1 else "http2"],
        lambda url, key: [*start, "visit", url, key],
        **facts,
    )


JAVA_CLASSES = f"{PEERS / 'java' / 'target' / 'classes'}:{PEERS / 'java' / 'target' / 'lib' / '*'}"

_ALL = [
    Language("python", build_python, python_serve, python_visit),
    Language(
        "older_python",
        build_older_python,
        lambda port, app, http1: with_older_python(python_serve(port, app, http1)),
        lambda url, key: with_older_python(python_visit(url, key)),
        signals=False,
    ),
    compiled("typescript", build_typescript, NODE, "main.mjs", folder=TYPESCRIPT),
    compiled("go", build_go, PEERS / "go" / "services", capitals=True),
    compiled("rust", build_rust, PEERS / "rust" / "target" / "debug" / "services", http1=False),
    compiled("java", build_java, "java", "-cp", JAVA_CLASSES, "interop.Main", signals=False),
]
#: All of them, or the one that is asked for.
LANGUAGES = [each for each in _ALL if each.name == os.environ.get("INTEROP_LANGUAGE", each.name)]
#: Those that every machine with Python and npm can try; the others need a tool chain of their own.
LIGHT = {"python", "typescript"}
