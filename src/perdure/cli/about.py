"""Which version of Perdure this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Give the version of this package."""
    try:
        return version("perdure")
    except PackageNotFoundError:
        return "0.0.0"  # run from sources that were never installed
