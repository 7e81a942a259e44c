"""The application's releases: each is a deployment of its own, here or elsewhere."""

from __future__ import annotations

import msgspec

from perdure.protocol.manifest import Manifest, ProtocolMode
from perdure.transport.in_process import endpoint_of
from simworld.plan import Sizes

#: More than one run can come to.
RELEASES_MAX = 10


class Releases:
    """What was released so far; all of it is still served, and the newest takes new requests."""

    def __init__(self, manifest: Manifest, sizes: Sizes) -> None:
        self._reach = sizes.reach
        self.newest = 0
        self.manifest = msgspec.structs.replace(
            manifest,
            max_protocol_version=sizes.protocol_version,
            protocol_mode=(
                ProtocolMode.REQUEST_RESPONSE
                if sizes.one_way_at_a_time
                else ProtocolMode.BIDI_STREAM
            ),
        )

    def release(self) -> None:
        """Make a new release."""
        self.newest = min(self.newest + 1, RELEASES_MAX - 1)

    def name(self, number: int) -> str:
        return f"shop{number}"

    def is_elsewhere(self, number: int) -> bool:
        """Tell whether a release runs in processes of its own."""
        return self._reach == "elsewhere" or (self._reach == "both" and number % 2 == 1)

    def endpoint(self, number: int) -> str:
        name = self.name(number)
        return f"http://{name}:9080" if self.is_elsewhere(number) else endpoint_of(name)
