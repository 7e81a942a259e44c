"""The keys that prove to services who asks: read from a file, and again whenever it changes.

All keys of the file are active. The first one signs; a service that does not know it (it answers
401) is asked with the next one from then on. So keys can be replaced service by service, in either
order, while the server runs.
"""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Final

from perdure.protocol.identity import Signer

#: How often the file is looked at, in seconds, while requests are signed.
LOOK_S: Final = 1.0
_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\s*", re.DOTALL)

logger = logging.getLogger("perdure.transport")


class KeyRing:
    """The keys of one file.

    Args:
        path: private Ed25519 keys in PEM (PKCS#8), one below the other.
        valid_s: for how many seconds before and after its time a signature holds.

    Raises:
        OSError: the file cannot be read.
        IdentityKeyError: what it holds are no such keys.
        ImportError: the package ``cryptography`` is missing.
    """

    def __init__(self, path: Path, valid_s: int = 60) -> None:
        self._path = path
        self.valid_s = valid_s
        self._stamp = _stamp(path)
        self._signers = read_signers(path)
        #: Endpoints that do not know the first key, and which one they are asked with instead.
        self._chosen: dict[str, int] = {}
        self._looked_s = time.monotonic()

    @property
    def public_keys(self) -> list[str]:
        """What services are given to recognise this server by."""
        return [signer.public_key for signer in self._signers]

    def signer(self, endpoint: str) -> Signer:
        """Give the key that signs requests to an endpoint now."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self.look()
        return self._signers[self._chosen.get(endpoint, 0)]

    def refused(self, endpoint: str, signer: Signer) -> bool:
        """Take note that an endpoint does not know a key; tell whether it gets another one."""
        if len(self._signers) == 1:
            return False
        if self.signer(endpoint) is signer:
            following = (self._chosen.get(endpoint, 0) + 1) % len(self._signers)
            self._chosen[endpoint] = following
        return True

    def look(self) -> None:
        """Read the file again if it changed; a file that is no good changes nothing."""
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            signers = read_signers(self._path)
        except (OSError, ValueError) as error:
            logger.error(  # noqa: TRY400 - the reason is all there is to know
                "the keys in %s cannot be read, and those read before go on signing: %s",
                self._path,
                error,
            )
            return
        self._signers, self._chosen = signers, {}
        logger.info("requests are signed with %s from now on", ", ".join(self.public_keys))


def read_signers(path: Path) -> list[Signer]:
    """Read all keys of a file.

    Raises:
        OSError: the file cannot be read.
        IdentityKeyError: what it holds are no such keys.
        ImportError: the package ``cryptography`` is missing.
    """
    content = path.read_bytes()
    return [Signer(block) for block in _BLOCK.findall(content) or [content]]


def _stamp(path: Path) -> tuple[int, int, int]:
    """Give what changes when a file is written or replaced."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ino, found.st_size
