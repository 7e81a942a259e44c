import msgspec
import pytest
from endpoint_support import content_type, decoded, encoded, journal

import perdure
from perdure.protocol.identity import IdentityKeyError, Signer
from perdure.protocol.manifest import ProtocolMode
from perdure.protocol.messages import End, Output, Value
from perdure.sdk.endpoint import Answer, Endpoint, EndpointRequest, Invocation

NOW_S = 1_800_000_000
#: More digits than Python makes a number of.
LONG = "9" * 5000
PEM = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO\n"
    b"-----END PRIVATE KEY-----\n"
)


def greeter() -> perdure.App:
    service = perdure.Service("S")

    @service.handler()
    async def run(ctx: perdure.Context, name: str) -> str:
        return f"Hello {name}"

    return perdure.app([service])


def asked(method: str, path: str, **headers: str) -> EndpointRequest:
    return EndpointRequest(
        method=method,
        path=path,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        mode=ProtocolMode.BIDI_STREAM,
    )


def answer(request: EndpointRequest, endpoint: Endpoint | None = None) -> Answer | Invocation:
    return (endpoint or greeter().endpoint()).answer(request, lambda: None)


@pytest.mark.parametrize("prefix", ["", "/deep/prefix", "/invoke/S"])
async def test_discovery(prefix: str):
    found = answer(asked("GET", f"{prefix}/discover"))
    assert found.status == 200
    assert found.content_type == "application/vnd.restate.endpointmanifest.v4+json"
    manifest = msgspec.json.decode(found.body)
    assert manifest["protocolMode"] == "BIDI_STREAM"
    assert [service["name"] for service in manifest["services"]] == ["S"]


async def test_the_mode_of_the_application_wins():
    app = perdure.app([], protocol="request_response")
    manifest = msgspec.json.decode(answer(asked("GET", "/discover"), app.endpoint()).body)
    assert manifest["protocolMode"] == "REQUEST_RESPONSE"


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("prefix", ["", "/deep/prefix", "/very/deep" * 100])
async def test_an_invocation(prefix: str, version: int):
    request = asked("POST", f"{prefix}/invoke/S/run", content_type=content_type(version))
    found = answer(request)
    assert isinstance(found, Invocation)
    assert found.content_type == content_type(version)
    found.attempt.receive_data(encoded(journal(), version))
    assert decoded(found.attempt.data_to_send(), version) == [Output(Value(b'"Hello Ada"')), End()]


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (asked("GET", "/"), 404, "there is nothing at GET /"),
        (asked("GET", "/invoke/S/run"), 404, "there is nothing"),
        (asked("POST", "/discover"), 404, "there is nothing"),
        (asked("POST", "/health"), 404, "there is nothing"),
        (asked("POST", "/invoke/S/run"), 415, "no content-type"),
        (asked("POST", "/invoke/S/run", content_type="text/html"), 400, "'text/html' is not"),
        (asked("POST", "/invoke/S/run", content_type=content_type(4)), 415, "version 4 of"),
        (asked("POST", "/invoke/S/run", content_type=content_type(8)), 415, "5 to 7 are"),
        (asked("POST", "/invoke/S/nix", content_type=content_type(6)), 404, "no handler S/nix"),
        (asked("POST", "/invoke/T/run", content_type=content_type(6)), 404, "no handler T/run"),
        (asked("GET", "/discover", accept="text/html"), 415, "no version of the discovery"),
        (
            asked("POST", "/invoke/S/run", content_type=content_type(LONG)),
            400,
            "is not an invocation's",
        ),
        (
            asked(
                "GET", "/discover", accept=f"application/vnd.restate.endpointmanifest.v{LONG}+json"
            ),
            415,
            "no version of the discovery",
        ),
    ],
)
async def test_refusals(request_: EndpointRequest, status: int, message: str):
    found = answer(request_)
    assert found.status == status
    assert message in msgspec.json.decode(found.body)["message"]


async def test_options_that_the_server_does_not_know():
    app = perdure.app([perdure.Service("S", ingress_private=True)])
    accept = "application/vnd.restate.endpointmanifest.v2+json"
    found = answer(asked("GET", "/discover", accept=accept), app.endpoint())
    assert found.status == 500
    assert "'ingress_private' of S needs version 3" in msgspec.json.decode(found.body)["message"]


def known_server(now_s: float = NOW_S) -> Endpoint:
    key = Signer(PEM).public_key
    return Endpoint(greeter().host(), identity_keys=(key,), now_s=lambda: now_s)


@pytest.mark.parametrize("path", ["/discover", "/prefix/invoke/S/run"])
async def test_signed_requests(path: str):
    headers = Signer(PEM).headers(path, NOW_S) | {"content-type": content_type(6)}
    request = asked("GET" if path == "/discover" else "POST", path, **headers)
    assert getattr(answer(request, known_server()), "status", 200) == 200
    assert answer(request, known_server(NOW_S + 90)).status == 401


@pytest.mark.parametrize("path", ["/discover", "/invoke/S/run", "/nix"])
async def test_requests_that_are_not_signed(path: str):
    assert answer(asked("GET", path), known_server()).status == 401
    assert answer(asked("POST", path), known_server()).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_health_is_for_everybody(method: str):
    found = answer(asked(method, "/prefix/health"), known_server())
    assert (found.status, found.body) == (200, b'{"status":"ok"}')


def test_keys_are_checked():
    with pytest.raises(IdentityKeyError, match="'nonsense' is not a public key"):
        perdure.app([], identity_keys=["nonsense"]).endpoint()
