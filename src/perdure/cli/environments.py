"""Environments: the servers that a user works with, each a table in the configuration file.

The file is ``config.toml`` in the configuration's home, with one table for each environment::

    [prod]
    admin_base_url = "https://admin.example.com"
    ingress_base_url = "https://example.com"
    bearer_token = "..."

The name of the current one stands in the file ``environment`` beside it. Variables of the
environment are read by our name first, then by the name that the official command line reads.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from perdure.cli.errors import UsageError
from perdure.cli.global_options import GlobalOptions
from perdure.cli.surroundings import Surroundings

#: The environment that is there without any file.
LOCAL: Final = "local"
ADMIN_URL_DEFAULT: Final = "http://localhost:9070"
PREFIXES: Final = ("PERDURE_", "RESTATE_")


class Target(NamedTuple):
    """The server that commands talk to."""

    environment: str
    admin_url: str
    ingress_url: str | None
    bearer_token: str | None


def variable(environment: Mapping[str, str], name: str) -> str | None:
    """Read a variable by our prefix, or else by the official one; an empty one counts as unset."""
    return next((text for prefix in PREFIXES if (text := environment.get(prefix + name))), None)


def config_home(surroundings: Surroundings) -> Path:
    """Give the folder of the configuration."""
    chosen = variable(surroundings.environment, "CLI_CONFIG_HOME")
    if chosen is not None:
        return Path(chosen)
    above = surroundings.environment.get("XDG_CONFIG_HOME")
    return (Path(above) if above else surroundings.home / ".config") / "perdure"


def config_file(surroundings: Surroundings) -> Path:
    """Give the configuration file, which need not exist."""
    return config_home(surroundings) / "config.toml"


def read_environments(surroundings: Surroundings) -> dict[str, dict[str, Any]]:
    """Read all environments, by name.

    Raises:
        UsageError: the file is not TOML, or holds more than tables.
    """
    path = config_file(surroundings)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        document = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}; mend it, or remove it") from error
    for name, table in document.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {name!r} is no table; write [{name}] and its keys below")
    return {LOCAL: {}, **document}


def current_environment(surroundings: Surroundings) -> str:
    """Give the name that was chosen for all commands."""
    named = variable(surroundings.environment, "ENVIRONMENT")
    if named is not None:
        return named
    try:
        text = (config_home(surroundings) / "environment").read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        return LOCAL
    return text or LOCAL


def check_environment(surroundings: Surroundings, name: str) -> dict[str, Any]:
    """Give the table of an environment.

    Raises:
        UsageError: there is none of this name.
    """
    environments = read_environments(surroundings)
    if name not in environments:
        raise UsageError(
            f"there is no environment {name!r} in {config_file(surroundings)}; there are "
            f"{', '.join(environments)}. `perdure config edit` adds one"
        )
    return environments[name]


def find_target(surroundings: Surroundings, options: GlobalOptions) -> Target:
    """Find out which server is meant.

    What stands on the line comes first, then variables, then the chosen environment.

    Raises:
        UsageError: the environment or its table cannot be used.
    """
    name = options.environment or current_environment(surroundings)
    table = check_environment(surroundings, name)
    # An environment named on the line is meant, whatever variables the shell still carries.
    variables = {} if options.environment else surroundings.environment

    def setting(variable_name: str, key: str) -> str | None:
        value = variable(variables, variable_name) or table.get(key)
        if value is not None and not isinstance(value, str):
            raise UsageError(f'{key} of environment {name} is no text; write {key} = "..."')
        return value

    named = options.admin_url or setting("ADMIN_URL", "admin_base_url")
    return Target(
        environment=name,
        admin_url=named or _url_by_host(variables),
        ingress_url=setting("INGRESS_URL", "ingress_base_url"),
        bearer_token=setting("AUTH_TOKEN", "bearer_token"),
    )


def _url_by_host(variables: Mapping[str, str]) -> str:
    """Give the URL that the official command line makes of a host, or the one without a word."""
    host = variables.get("RESTATE_HOST")
    scheme = variables.get("RESTATE_HOST_SCHEME") or "http"
    return f"{scheme}://{host}:9070" if host else ADMIN_URL_DEFAULT
