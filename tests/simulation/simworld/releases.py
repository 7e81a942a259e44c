"""The releases of the application: side by side, here or elsewhere, or one after the other."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.protocol.manifest import Manifest, ProtocolMode
from perdure.transport.in_process import endpoint_of
from simworld.plan import Sizes

#: More than one run can come to.
RELEASES_MAX = 16


class Releases:
    """What was released so far; all of it is still served, and the newest takes new requests.

    Releases in the server's own process may share an address, as in development: then each replaces
    the one before it, and differs from it in what it says of itself.
    """

    def __init__(self, manifest: Manifest, sizes: Sizes) -> None:
        self._reach = sizes.reach
        self._reloading = sizes.reloading and sizes.reach == "here"
        self._manifest = replace(
            manifest,
            max_protocol_version=sizes.protocol_version,
            protocol_mode=(
                ProtocolMode.REQUEST_RESPONSE
                if sizes.one_way_at_a_time
                else ProtocolMode.BIDI_STREAM
            ),
        )
        self._newest = 0

    def release(self) -> None:
        """Make a new release."""
        self._newest = min(self._newest + 1, RELEASES_MAX - 1)

    def manifest(self) -> Manifest:
        """Give what the newest release says of itself."""
        told = {"release": str(self._newest)} if self._reloading else None
        services = tuple(replace(service, metadata=told) for service in self._manifest.services)
        return replace(self._manifest, services=services)

    def endpoint(self) -> str:
        """Give the address of the newest release."""
        number = 0 if self._reloading else self._newest
        elsewhere = self._reach == "elsewhere" or (self._reach == "both" and number % 2 == 1)
        return f"http://{name_of(number)}:9080" if elsewhere else endpoint_of(name_of(number))


def name_of(number: int) -> str:
    """Name a release."""
    return f"shop{number}"
