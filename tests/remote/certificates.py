"""A certificate authority of the tests, and what it vouches for."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import trustme


class Certificates(NamedTuple):
    """Files in PEM."""

    ca: Path
    chain: Path
    key: Path

    def context(self, *protocols: str) -> ssl.SSLContext:
        """Give what a server needs that agrees to these protocols."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def certificates(folder: Path, *names: str, until: datetime | None = None) -> Certificates:
    """Make a certificate for names and addresses, and the authority that signed it.

    Args:
        folder: where they go.
        names: what it is for.
        until: when it ends; None for one that holds.
    """
    folder.mkdir(exist_ok=True)
    authority = trustme.CA()
    made = Certificates(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(made.ca)
    certificate = authority.issue_cert(*names, not_after=until)
    certificate.private_key_pem.write_to_path(made.key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(made.chain, append=True)
    return made
