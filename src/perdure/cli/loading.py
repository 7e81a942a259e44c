"""Finding the application that ``module:app`` names, and making it ready."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar

from perdure.cli.errors import EXIT_USAGE, CommandError
from perdure.protocol.identity import IdentityKeyError
from perdure.sdk.errors import DefinitionError

if TYPE_CHECKING:
    from perdure.server.embedded import Application

T = TypeVar("T")

_ADVICE_ON_LOOPS: Final = (
    "Modules are imported on the event loop that serves them, and asyncio.run starts another: "
    "write what has to be awaited first as the application's lifespan, "
    "perdure.app(..., lifespan=...)"
)


def load_application(target: str) -> Application:
    """Import the module and give the application in it.

    Args:
        target: ``module:attribute``, the module as for ``import``, relative to this folder.

    Raises:
        CommandError: there is no such module or application, or the module fails on import.
    """
    module_name, attribute = split_target(target)
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise _failed(module_name, error) from error
        raise CommandError(
            f"there is no module {error.name!r} in {folder} or on the path; start from the folder "
            "that holds it",
            EXIT_USAGE,
        ) from error
    except (Exception, SystemExit) as error:  # user code ran: its author shall see what it raised
        raise _failed(module_name, error) from error
    application = getattr(module, attribute, None)
    if application is None:
        raise CommandError(
            f"module {module_name} has no {attribute!r}; {_offer(module_name, module)}", EXIT_USAGE
        )
    if not _is_application(application):
        raise CommandError(
            f"{target} is no application but of type {type(application).__name__}; "
            f"{_offer(module_name, module)}",
            EXIT_USAGE,
        )
    loaded: Application = application
    return loaded


def make_ready(target: str, make: Callable[[], T]) -> T:
    """Make of an application what serves it.

    Raises:
        CommandError: what is defined in it does not fit together.
    """
    try:
        return make()
    except (DefinitionError, IdentityKeyError) as error:
        raise CommandError(f"{target} cannot be served: {error}", EXIT_USAGE) from error


def split_target(target: str) -> tuple[str, str]:
    """Give the module and the attribute that ``module:app`` names.

    Raises:
        CommandError: it names none.
    """
    module_name, separator, attribute = target.partition(":")
    if not separator or not module_name or not attribute:
        raise CommandError(
            f"{target!r} names no application; write module:app, such as shop.main:app",
            EXIT_USAGE,
        )
    if "/" in module_name or module_name.startswith(".") or module_name.endswith(".py"):
        meant = module_name.removesuffix(".py").replace("/", ".").strip(".")
        raise CommandError(
            f"{module_name!r} is a path; write the module as for import, such as "
            f"{meant}:{attribute}",
            EXIT_USAGE,
        )
    return module_name, attribute


def _is_application(found: object) -> bool:
    return not isinstance(found, type) and callable(getattr(found, "host", None))


def _offer(module_name: str, module: ModuleType) -> str:
    """Say what to write: an application that is there, or how to make one."""
    for name, found in vars(module).items():
        if _is_application(found):
            return f"write {module_name}:{name}"
    return "make one there with app = perdure.app([...services...])"


def _failed(module_name: str, error: BaseException) -> CommandError:
    text = "".join(traceback.format_exception(error))
    if isinstance(error, RuntimeError) and "from a running event loop" in str(error):
        text += _ADVICE_ON_LOOPS
    return CommandError(f"module {module_name} cannot be imported:\n{text}", EXIT_USAGE)
