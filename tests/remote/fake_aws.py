"""AWS, as far as functions are invoked there: Lambda's Invoke, STS's AssumeRole, signatures."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "eu-central-1"
OWN = Credentials("AKOWN", "own-secret")
ASSUMED = Credentials("AKROLE", "role-secret", "role-token")
ROLE = "arn:aws:iam::123456789012:role/caller"
_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>
<SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>
<AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>x:y</AssumedRoleId></AssumedRoleUser>
</AssumeRoleResult></AssumeRoleResponse>"""


def arn(function: str, qualifier: str = "live") -> str:
    return f"arn:aws:lambda:{REGION}:123456789012:function:{function}:{qualifier}"


class FunctionError(Exception):
    """A function dies, and this is what it said."""


class ApiError(Exception):
    """AWS refuses, with a status, a type and headers."""

    def __init__(self, status: int, kind: str, **headers: str) -> None:
        super().__init__(f"{kind} happened")
        self.status, self.kind, self.headers = status, kind, headers


class FakeAws:
    """Functions by name, each called with one event at a time, and what was asked of them."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[dict], dict]] = {}
        self.url = ""
        #: Function, qualifier and access key of each invocation.
        self.invocations: list[tuple[str, str, str]] = []
        self.events: list[dict] = []
        self.roles: list[dict[str, str]] = []
        #: How many connections there were.
        self.connections = 0
        self._turn = threading.Lock()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict, bytes]:
        """Answer one request of the API."""
        parts = urlsplit(path)
        if parts.path == "/":
            return self._assume_role(headers, body)
        key = self._check_signature(path, headers, body, "lambda")
        function = unquote(parts.path.split("/")[3]).rpartition(":")[2]
        qualifier = parse_qs(parts.query)["Qualifier"][0]
        assert headers["x-amz-invocation-type"] == "RequestResponse"
        self.invocations.append((function, qualifier, key))
        if function not in self.functions:
            raise ApiError(404, "ResourceNotFoundException")
        event = json.loads(body)
        self.events.append(event)
        try:
            with self._turn:
                reply = self.functions[function](event)
        except FunctionError as error:
            said = {"errorMessage": str(error), "errorType": "Boom"}
            return 200, {"x-amz-function-error": "Unhandled"}, json.dumps(said).encode()
        return 200, {}, json.dumps(reply).encode()

    def _assume_role(self, headers: dict[str, str], body: bytes) -> tuple[int, dict, bytes]:
        self._check_signature("/", headers, body, "sts")
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.roles.append(asked)
        if asked["RoleArn"] != ROLE:
            said = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
            return 403, {}, said.encode()
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        given = (ASSUMED.access_key, ASSUMED.secret_key, ASSUMED.token, until, ROLE)
        return 200, {"content-type": "text/xml"}, _ASSUMED.format(*given).encode()

    def _check_signature(
        self, path: str, headers: dict[str, str], body: bytes, service: str
    ) -> str:
        """Sign the request again, and compare; give the access key that was used."""
        given = headers["authorization"]
        key = given.partition("Credential=")[2].partition("/")[0]
        credentials = {each.access_key: each for each in (OWN, ASSUMED)}[key]
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        request = AWSRequest(
            method="POST",
            url=self.url + path,
            headers={name: headers[name] for name in names if name != "host"},
            data=body,
        )
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(credentials, service, REGION)
        again = signer.signature(
            signer.string_to_sign(request, signer.canonical_request(request)), request
        )
        if not given.endswith(f"Signature={again}"):
            raise ApiError(403, "SignatureDoesNotMatch")
        return key


@contextlib.contextmanager
def fake_aws() -> Iterator[FakeAws]:
    """Run it for as long as the context lasts."""
    aws = FakeAws()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            aws.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, more, content = aws.answer(self.path, headers, body)
            except ApiError as error:
                status, content = error.status, json.dumps({"message": str(error)}).encode()
                more = {"x-amzn-errortype": error.kind} | error.headers
            self.send_response(status)
            for name, value in {**more, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        aws.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield aws
        finally:
            server.shutdown()
            thread.join()
