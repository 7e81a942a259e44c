"""Finding the application that ``module:app`` names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.cli.errors import EXIT_USAGE, CommandError

if TYPE_CHECKING:
    from perdure.server.embedded import Application


def load_application(target: str) -> Application:
    """Import the module and give the application in it.

    Args:
        target: ``module:attribute``, the module as for ``import``, relative to this folder.

    Raises:
        CommandError: there is no such module or application, or the module fails on import.
    """
    module_name, separator, attribute = target.partition(":")
    if not separator or not module_name or not attribute:
        raise CommandError(
            f"{target!r} names no application; write module:app, such as shop.main:app",
            EXIT_USAGE,
        )
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
    except Exception as error:  # user code ran: whatever it raised is shown to its author
        raise _failed(module_name, error) from error
    application = getattr(module, attribute, None)
    if application is None:
        raise CommandError(f"module {module_name} has no {attribute!r}", EXIT_USAGE)
    if not callable(getattr(application, "host", None)):
        raise CommandError(
            f"{target} is a {type(application).__name__}, not an application; write "
            f"{attribute} = perdure.app([...services...])",
            EXIT_USAGE,
        )
    loaded: Application = application
    return loaded


def _failed(module_name: str, error: Exception) -> CommandError:
    text = "".join(traceback.format_exception(error))
    return CommandError(f"module {module_name} cannot be imported:\n{text}", EXIT_USAGE)
