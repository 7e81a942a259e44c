"""The peers: which versions we compare with, and their installation into ``.peers/``."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / ".peers"

RESTATE_SERVER = "1.7.12"
RESTATE_PYTHON = ("restate-sdk==1.3.0", "hypercorn==0.18.0", "uvloop==0.23.0")
#: The SDK needs a newer Node.js than many systems have; npm brings one.
RESTATE_TYPESCRIPT = ("@restatedev/restate-sdk@1.17.2", "node@22.23.3")
DBOS_PYTHON = (
    "dbos==3.4.0",
    "starlette==1.10.0",
    "uvicorn==0.54.0",
    "httptools==0.9.0",
    "uvloop==0.23.0",
)
VERSIONS = {
    "restate": f"restate-server {RESTATE_SERVER}, {', '.join(RESTATE_PYTHON)}",
    "typescript": ", ".join(RESTATE_TYPESCRIPT),
    "dbos": ", ".join(DBOS_PYTHON),
}


class SetupError(Exception):
    """A peer could not be installed; the message says what to do."""


def restate_server() -> Path:
    """Give the program of the official server, installed if need be.

    Raises:
        SetupError: npm is missing, or has no such package for this machine.
    """
    folder = FOLDER / f"restate-server-{RESTATE_SERVER}"
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"restate-server-{platform.system().lower()}-{arch}"
    program = folder / "node_modules" / "@restatedev" / package / "bin" / "restate-server"
    if not program.exists():
        # The package of this machine alone: the other one is a starter script with telemetry.
        npm_install(folder, f"@restatedev/{package}@{RESTATE_SERVER}", "--ignore-scripts")
    return program


def restate_typescript() -> Path:
    """Give a folder of npm packages that has the official SDK and Node.js, installed if need be.

    Raises:
        SetupError: npm is missing, or could not install them.
    """
    folder = FOLDER / "typescript"
    stamp = folder / "requirements.txt"
    wanted = "\n".join(RESTATE_TYPESCRIPT)
    if not stamp.exists() or stamp.read_text() != wanted:
        npm_install(folder, *RESTATE_TYPESCRIPT)
        stamp.write_text(wanted)
    return folder / "node_modules"


def restate_python() -> Path:
    """Give a Python that has the official SDK, installed if need be."""
    return environment("restate", RESTATE_PYTHON)


def dbos_python() -> Path:
    """Give a Python that has DBOS, installed if need be."""
    return environment("dbos", DBOS_PYTHON)


def environment(name: str, requirements: tuple[str, ...]) -> Path:
    """Give the Python of a virtual environment that has exactly these requirements.

    Raises:
        SetupError: pip could not install them.
    """
    folder = FOLDER / name
    stamp = folder / "requirements.txt"
    python = folder / "bin" / "python"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        run(sys.executable, "-m", "venv", "--clear", str(folder))
        run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            *requirements)  # fmt: skip
        stamp.write_text(wanted)
    return python


def npm_install(folder: Path, *packages: str) -> None:
    """Install npm packages into a folder.

    Raises:
        SetupError: npm is missing, or could not install them.
    """
    if shutil.which("npm") is None:
        raise SetupError("npm is missing; install Node.js, or leave restate out: --systems")
    run(
        "npm", "install", "--prefix", str(folder), "--no-save", "--no-audit", "--no-fund", *packages
    )


def run(*command: str) -> None:
    """Run one step of an installation.

    Raises:
        SetupError: it failed; with what it said.
    """
    print(f"setting up: {' '.join(command)}", file=sys.stderr)
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise SetupError(f"{' '.join(command)} failed:\n{finished.stderr.strip()[-2000:]}")
