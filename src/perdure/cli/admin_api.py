"""The admin API as commands see it: documents in and out, errors that say what to try."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import httpx

from perdure.cli.environments import Target
from perdure.cli.errors import EXIT_UNREACHABLE, CommandError, RefusedError, UsageError
from perdure.cli.global_options import GlobalOptions
from perdure.sdk.client_http import reads_environment

#: Version of the API that is asked for.
API_PREFIX: Final = "/v4"

Row = dict[str, Any]

#: What to try, by error code.
_HINTS: Final = {
    "META0003": "is the service running, and at the address as the server sees it?",
    "META0004": "--force registers it anew",
    "META0006": "--breaking accepts a change that callers may notice",
    "META0009": "see `perdure services list` for what there is",
    "META0012": "upgrade the SDK of the service",
    "META0014": "--use-http1.1 speaks to servers without HTTP/2",
}


class ApiError(RefusedError):
    """The server refused a request.

    Args:
        message: what the server said, and what to try.
        status: HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Answer(NamedTuple):
    """What the server said to a request that it took."""

    status: int
    #: The JSON document; None if there is none.
    body: Any


class AdminApi:
    """One server's admin API; safe to use from several threads."""

    def __init__(
        self,
        target: Target,
        options: GlobalOptions,
        *,
        transport: httpx.BaseTransport | None = None,
        tell: Callable[[str], None],
    ) -> None:
        self.url = target.admin_url
        self._tell = tell if options.verbose else None
        self._client = _connect(target, options, transport)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **parameters: str) -> Any:
        """Read a document.

        Raises:
            ApiError: the server refused.
            CommandError: the server cannot be reached.
        """
        return self.send("GET", path, **parameters).body

    def query(self, sql: str) -> list[Row]:
        """Give the rows that a SQL query finds; a column that is NULL is missing from its row.

        Raises:
            ApiError: the query is wrong, or takes too long.
            CommandError: the server cannot be reached.
        """
        body = self.send("POST", "/query", {"query": sql}).body
        rows: list[Row] = body["rows"]
        return rows

    def send(self, method: str, path: str, body: Any = None, **parameters: str) -> Answer:
        """Make a request; ``body`` goes out as JSON.

        Raises:
            ApiError: the server refused.
            CommandError: the server cannot be reached, or is no admin API.
            UsageError: the body is no text.
        """
        try:
            request = self._client.build_request(
                method, API_PREFIX + path, json=body, params=parameters or None
            )
        except UnicodeEncodeError as error:
            raise UsageError(
                f"what was given is not in the encoding of this terminal: {error}"
            ) from error
        begun = time.perf_counter()
        try:
            response = self._client.send(request)
        except httpx.TimeoutException as error:
            raise self._unreachable("did not answer in time; --request-timeout waits") from error
        except httpx.TransportError as error:
            raise self._unreachable(f"does not answer ({error})") from error
        if self._tell is not None:
            taken_ms = (time.perf_counter() - begun) * 1000
            self._tell(f"{method} {request.url} {response.status_code} {taken_ms:.0f} ms")
        if not response.is_success:
            raise _refusal(response)
        return Answer(response.status_code, self._document(response))

    def _document(self, response: httpx.Response) -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._unreachable("answers, but is no admin API") from error

    def _unreachable(self, how: str) -> CommandError:
        return CommandError(
            f"the admin API at {self.url} {how}.\nStart a server with `perdure dev MODULE:APP` or "
            "`perdure server`; name another with --admin-url, PERDURE_ADMIN_URL or -e",
            EXIT_UNREACHABLE,
        )


def path(*segments: str) -> str:
    """Write a path, whatever characters its segments hold."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def _connect(
    target: Target, options: GlobalOptions, transport: httpx.BaseTransport | None
) -> httpx.Client:
    url = target.admin_url
    if url.startswith("unix:"):
        transport = transport or httpx.HTTPTransport(uds=url.removeprefix("unix:"))
        url = "http://localhost"
    elif not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address of an admin API; write http://host:9070")
    headers = {"accept": "application/json", "user-agent": "perdure-cli"}
    if target.bearer_token is not None:
        headers["authorization"] = f"Bearer {target.bearer_token}"
    timeout = httpx.Timeout(options.request_timeout / 1000, connect=options.connect_timeout / 1000)
    try:
        return httpx.Client(
            base_url=url,
            headers=headers,
            timeout=timeout,
            transport=transport,
            verify=not options.insecure_skip_tls_verify,
            trust_env=reads_environment(url),
        )
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no address of an admin API: {error}") from error
    except (ImportError, OSError, ValueError) as error:
        # Nothing else is looked at before there is a connection.
        reason = str(error).rstrip(".")
        raise UsageError(
            f"a proxy or a certificate that the environment names cannot be used: {reason}. "
            "Correct ALL_PROXY, HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE or SSL_CERT_DIR"
        ) from error


def _refusal(response: httpx.Response) -> ApiError:
    """Say what the server said; it may have said it in JSON, in plain words, or not at all."""
    code = None
    text = response.text.strip()
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        text, code = str(document.get("message", text)), document.get("restate_code")
    if not text:
        where = f"{response.request.method} {response.request.url.path}"
        text = f"the server has nothing at {where}; `perdure whoami` shows its version"
    if code and code not in text:
        text = f"[{code}] {text}"
    hint = _HINTS.get(code or "")
    message = f"{text} (HTTP {response.status_code})"
    return ApiError(message if hint is None else f"{message}\ntry: {hint}", response.status_code)
