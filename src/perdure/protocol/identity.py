"""Request identity: proof that a request comes from a known server (service protocol, section 9).

The server signs a short-lived JSON web token with an Ed25519 key for each request; services that
were given public keys answer only requests with a valid one. What is signed is the path without
the prefix at which the service lives, so that gateways may add one.

The ``cryptography`` package does the arithmetic; it is loaded when the first key is read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Final

import msgspec

HEADER_SCHEME: Final = "x-restate-signature-scheme"
HEADER_TOKEN: Final = "x-restate-jwt-v1"  # noqa: S105 - the name of a header, not a secret
SCHEME: Final = "v1"

_KEY_PREFIX: Final = "publickeyv1_"
_KEY_BYTES: Final = 32
#: Bitcoin's alphabet: no zero, no capital O, no capital I, no small l.
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TOKEN_PARTS: Final = 3


class IdentityError(Exception):
    """A request does not prove that it comes from a known server."""


class IdentityKeyError(ValueError):
    """A key is not written as keys are."""


class _TokenHeader(msgspec.Struct, frozen=True, kw_only=True):
    typ: str = "JWT"
    alg: str
    kid: str


class _Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    aud: str
    exp: int
    iat: int
    nbf: int
    sub: str | None = None


class Verifier:
    """Checks requests against public keys.

    Args:
        keys: Public keys as servers print them, ``publickeyv1_...``; none lets all requests pass.

    Raises:
        IdentityKeyError: a key is not written like this.
        ImportError: the package ``cryptography`` is missing.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys: dict[str, Any] = {key: _public_key(key) for key in keys}

    def verify(self, headers: Mapping[str, str], path: str, now_s: float) -> None:
        """Check one request.

        Args:
            headers: Its headers, with names in lower case.
            path: Its path.
            now_s: The time, in seconds since 1970.

        Raises:
            IdentityError: it is not signed by one of the keys, for this path and time.
        """
        if not self._keys:
            return
        if headers.get(HEADER_SCHEME) != SCHEME:
            raise IdentityError(f"the header {HEADER_SCHEME} is not {SCHEME!r}: sign requests")
        claims = self._verified(headers.get(HEADER_TOKEN, ""))
        if not claims.nbf <= now_s < claims.exp:
            raise IdentityError("the token is not valid at this time: check the clocks")
        if claims.aud != audience(path):
            raise IdentityError("the token was made for another path")

    def _verified(self, token: str) -> _Claims:
        """Give the claims of a token, once its signature was found right."""
        parts = token.split(".")
        if len(parts) != _TOKEN_PARTS:
            raise IdentityError(f"the header {HEADER_TOKEN} holds no token of three parts")
        try:
            content = f"{parts[0]}.{parts[1]}".encode("ascii")
            header = msgspec.json.decode(_decoded(parts[0]), type=_TokenHeader)
            signature = _decoded(parts[2])
        except (ValueError, RecursionError) as error:
            raise IdentityError("the token cannot be read") from error
        key = self._keys.get(header.kid) if header.alg == "EdDSA" else None
        if key is None:
            raise IdentityError("the token is signed with a key that is not known here")
        try:
            key.verify(signature, content)
        except _invalid_signature() as error:
            raise IdentityError("the token's signature is wrong") from error
        try:
            return msgspec.json.decode(_decoded(parts[1]), type=_Claims)
        except ValueError as error:
            raise IdentityError("the token lacks a claim that it must have") from error


class Signer:
    """Signs requests.

    Args:
        pem: An Ed25519 private key in PEM, PKCS#8.

    Raises:
        IdentityKeyError: it is none.
        ImportError: the package ``cryptography`` is missing.
    """

    def __init__(self, pem: bytes) -> None:
        ed25519, serialization = _ed25519(), _serialization()
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise IdentityKeyError(
                "the private key is not PEM (PKCS#8) without a password"
            ) from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise IdentityKeyError("the private key is not an Ed25519 key")
        self._key: Any = key
        self.public_key: str = _KEY_PREFIX + _base58(key.public_key().public_bytes_raw())

    def headers(
        self, path: str, now_s: int, *, key: str | None = None, valid_s: int = 60
    ) -> dict[str, str]:
        """Give the headers that prove who sends a request.

        Args:
            path: The request's path, with or without the deployment's prefix.
            now_s: The time, in seconds since 1970.
            key: The key of the object or workflow that is called, if it is one.
            valid_s: For how many seconds before and after ``now_s`` the proof holds.
        """
        header = _TokenHeader(alg="EdDSA", kid=self.public_key)
        claims = _Claims(
            aud=audience(path), iat=now_s, nbf=now_s - valid_s, exp=now_s + valid_s, sub=key
        )
        content = b".".join((_encoded(header), _encoded(claims)))
        signature = base64.urlsafe_b64encode(self._key.sign(content)).rstrip(b"=")
        return {HEADER_SCHEME: SCHEME, HEADER_TOKEN: (content + b"." + signature).decode()}


def audience(path: str) -> str:
    """Give the part of a path that is signed: what stands behind the deployment's prefix."""
    segments = path.rstrip("/").split("/")
    if len(segments) >= 3 and segments[-3] == "invoke":
        return "/" + "/".join(segments[-3:])
    return "/discover" if segments[-1] == "discover" else path


def _public_key(text: str) -> Any:
    """Read a public key; what stands behind its prefix is 32 bytes in base58."""
    digits = text.removeprefix(_KEY_PREFIX)
    try:
        number = 0
        for digit in digits:
            number = number * 58 + _BASE58.index(digit)
        raw = number.to_bytes(_KEY_BYTES, "big")
    except (ValueError, OverflowError):
        raw = b""
    if not text.startswith(_KEY_PREFIX) or _base58(raw) != digits:
        raise IdentityKeyError(
            f"{text!r} is not a public key: they look like {_KEY_PREFIX}AfQw..., and servers "
            "print theirs when they start"
        )
    return _ed25519().Ed25519PublicKey.from_public_bytes(raw)


def _base58(raw: bytes) -> str:
    number = int.from_bytes(raw, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return _BASE58[0] * zeros + digits


def _encoded(part: msgspec.Struct) -> bytes:
    return base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise IdentityError("the token is not base64url") from error


def _ed25519() -> Any:
    return _loaded("cryptography.hazmat.primitives.asymmetric.ed25519")


def _serialization() -> Any:
    return _loaded("cryptography.hazmat.primitives.serialization")


def _invalid_signature() -> type[Exception]:
    error: type[Exception] = _loaded("cryptography.exceptions").InvalidSignature
    return error


def _loaded(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            'request identity needs cryptography: pip install "perdure[identity]"'
        ) from error
