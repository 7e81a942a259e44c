"""How much one HTTP/2 connection to a service carries."""

from __future__ import annotations

from msgspec import Struct


class Http2Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one connection; windows in bytes."""

    #: Streams at the same time, if the peer allows as many.
    streams: int = 128
    #: Streams in all its life. Common servers (hypercorn, nginx) end a connection after as many,
    #: and hypercorn loses what is under way then: we leave first.
    requests: int = 1000
    #: What a peer may send on one stream, and on all together, before we take note.
    stream_window: int = 2 * 1024 * 1024
    connection_window: int = 5 * 1024 * 1024
