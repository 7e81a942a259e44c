import base64

import msgspec
import pytest

from perdure.protocol.identity import (
    HEADER_SCHEME,
    HEADER_TOKEN,
    IdentityError,
    IdentityKeyError,
    Signer,
    Verifier,
    audience,
)

PEM = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO\n"
    b"-----END PRIVATE KEY-----\n"
)
KEY = "publickeyv1_AfQwmwfgEZhrWpvv8N52SHpRtZqGGaFr4AZN6qtYWSiY"
OTHER = "publickeyv1_" + "1" * 32
PATH = "/invoke/Greeter/greet"
NOW = 1_800_000_000


def signed(path: str = PATH, **options) -> dict[str, str]:
    return Signer(PEM).headers(path, NOW, **options)


def test_the_public_key_of_the_vector():
    assert Signer(PEM).public_key == KEY


@pytest.mark.parametrize("now", [NOW - 60, NOW, NOW + 59])
def test_a_signed_request_passes(now):
    Verifier([OTHER, KEY]).verify(signed(), PATH, now)


def test_a_prefix_on_either_side_does_not_matter():
    Verifier([KEY]).verify(signed(), f"/behind/a/gateway{PATH}", NOW)
    Verifier([KEY]).verify(signed(f"/prefix{PATH}"), PATH, NOW)


def test_without_keys_everything_passes():
    Verifier([]).verify({}, PATH, NOW)


def test_the_token_says_what_the_protocol_asks():
    header, claims, _ = signed(key="Ada")[HEADER_TOKEN].split(".")
    assert decoded(header) == {"typ": "JWT", "alg": "EdDSA", "kid": KEY}
    assert decoded(claims) == {
        "aud": PATH, "iat": NOW, "nbf": NOW - 60, "exp": NOW + 60, "sub": "Ada",
    }  # fmt: skip


def decoded(part: str):
    return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


@pytest.mark.parametrize("now", [NOW - 61, NOW + 60])
def test_a_token_holds_for_its_time(now):
    with pytest.raises(IdentityError, match="not valid at this time"):
        Verifier([KEY]).verify(signed(), PATH, now)


def test_a_token_holds_for_its_path():
    with pytest.raises(IdentityError, match="another path"):
        Verifier([KEY]).verify(signed(), "/invoke/Greeter/other", NOW)


def test_an_unknown_key():
    with pytest.raises(IdentityError, match="not known here"):
        Verifier([OTHER]).verify(signed(), PATH, NOW)


def test_a_changed_token():
    header, claims, signature = signed()[HEADER_TOKEN].split(".")
    changed = {**decoded(claims), "exp": NOW + 10_000}
    headers = {HEADER_SCHEME: "v1", HEADER_TOKEN: f"{header}.{encoded(changed)}.{signature}"}
    with pytest.raises(IdentityError, match="signature is wrong"):
        Verifier([KEY]).verify(headers, PATH, NOW)


def test_another_algorithm():
    _, claims, signature = signed()[HEADER_TOKEN].split(".")
    header = encoded({"typ": "JWT", "alg": "none", "kid": KEY})
    with pytest.raises(IdentityError, match="not known here"):
        Verifier([KEY]).verify(
            {HEADER_SCHEME: "v1", HEADER_TOKEN: f"{header}.{claims}.{signature}"}, PATH, NOW
        )


#: A token's header that nests: whoever asks, known or not, may send such.
NESTED = base64.urlsafe_b64encode(b'{"x":' + b"[" * 20_000).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER_SCHEME: "unsigned"},
        {HEADER_SCHEME: "v1"},
        {HEADER_SCHEME: "v1", HEADER_TOKEN: "a.b"},
        {HEADER_SCHEME: "v1", HEADER_TOKEN: "!.!.!"},
        {HEADER_SCHEME: "v1", HEADER_TOKEN: "e30.e30.e30"},
        {HEADER_SCHEME: "v1", HEADER_TOKEN: "é.é.é"},
        {HEADER_SCHEME: "v1", HEADER_TOKEN: f"{'A' * 5}.x.x"},
        {HEADER_SCHEME: "v1", HEADER_TOKEN: f"{NESTED}.x.x"},
    ],
)
def test_what_is_no_proof(headers):
    with pytest.raises(IdentityError):
        Verifier([KEY]).verify(headers, PATH, NOW)


@pytest.mark.parametrize("key", ["", "AfQw", "publickeyv1_", "publickeyv1_0", KEY + "11", KEY[:-3]])
def test_what_is_no_public_key(key):
    with pytest.raises(IdentityKeyError, match="is not a public key"):
        Verifier([key])


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY--"])
def test_what_is_no_private_key(pem):
    with pytest.raises(IdentityKeyError):
        Signer(pem)


@pytest.mark.parametrize(
    ("path", "signed_path"),
    [
        ("/discover", "/discover"),
        ("/a/discover", "/discover"),
        ("/invoke/S/h", "/invoke/S/h"),
        ("/a/b/invoke/S/h", "/invoke/S/h"),
        ("/other", "/other"),
    ],
)
def test_audiences(path, signed_path):
    assert audience(path) == signed_path
