"""How an application is served to be tested, and the manifest that brings that about.

What a test asks for is written into the manifest, over what services and handlers say themselves: a
handler with options of its own would otherwise be left out of it, in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from msgspec.structs import replace

from perdure.protocol.manifest import Manifest, OnMaxAttempts, ServiceManifest

_ANY_VERSION = ("", "latest")


@dataclass(frozen=True)
class TestConfiguration:
    """Options of a test harness.

    Raises:
        ValueError: the image is one of a certain version.
    """

    #: Not a test, whatever its name says.
    __test__: ClassVar[bool] = False

    restate_image: str = "restatedev/restate:latest"
    """Accepted if any version will do: there is no container, the server is part of Perdure."""
    stream_logs: bool = False
    """Whether the server's log is printed."""
    always_replay: bool = False
    """Whether handlers suspend wherever they wait, and begin again with a replay."""
    disable_retries: bool = False
    """Whether the first failure of an attempt is the end of its invocation."""

    def __post_init__(self) -> None:
        """Refuse a server that is not the one that tests get."""
        name, _, digest = self.restate_image.partition("@")
        tag = name.rpartition("/")[2].partition(":")[2]
        if digest or tag not in _ANY_VERSION:
            raise ValueError(
                f"restate_image={self.restate_image!r} cannot be had: tests run against Perdure's "
                "own server, in this process and without containers; leave restate_image out, or "
                "run that image yourself and register what `perdure serve module:app` serves"
            )

    def applied_to(self, manifest: Manifest) -> Manifest:
        """Give the manifest of an application that is served as this says."""
        options: dict[str, Any] = {}
        if self.always_replay:
            options["inactivity_timeout"] = 0
        if self.disable_retries:
            options["retry_policy_max_attempts"] = 1
            options["retry_policy_on_max_attempts"] = OnMaxAttempts.KILL
        services = tuple(_with(service, options) for service in manifest.services)
        return replace(manifest, services=services)


def _with(service: ServiceManifest, options: dict[str, Any]) -> ServiceManifest:
    handlers = tuple(replace(handler, **options) for handler in service.handlers)
    return replace(service, handlers=handlers)
