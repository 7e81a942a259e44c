"""Services on AWS Lambda: opens attempts at deployments that are functions, and discovers them."""

from __future__ import annotations

from typing import Final

from perdure.core.model.deployments import Deployment
from perdure.core.model.lambda_arns import ArnError, parse_lambda_arn
from perdure.engine.registrar import Discovered, DiscoveryError, Location
from perdure.engine.transports import Line, TransportError
from perdure.protocol.manifest import ProtocolMode
from perdure.transport.addresses import HTTP_1
from perdure.transport.aws import AwsError
from perdure.transport.discovery import Answer, ask_repeatedly, read_answer, unreachable
from perdure.transport.exchanges import LostError, Request
from perdure.transport.farewells import Farewells
from perdure.transport.http import HttpOptions
from perdure.transport.http_session import HttpSession
from perdure.transport.lambda_client import Function, LambdaClient

SCHEME: Final = "arn"


class LambdaTransport:
    """Opens attempts at functions."""

    def __init__(self, client: LambdaClient, options: HttpOptions) -> None:
        self._client = client
        self._options = options
        self._farewells = Farewells()

    def open(self, deployment: Deployment, line: Line) -> HttpSession:
        """Begin an attempt; what goes wrong on the way is told to the line.

        Raises:
            TransportError: the deployment is no function.
        """
        try:
            arn = parse_lambda_arn(deployment.endpoint)
        except ArnError as error:
            raise TransportError("RT0010", f"{deployment.endpoint}: {error}") from error
        compresses = deployment.manifest.lambda_compression == "zstd"
        function = Function(arn, deployment.assume_role_arn, compresses)
        request, session = self._options.attempt(self._options.way(deployment, line), line)
        exchange = self._client.open(function, request, session, line.memory)
        session.begin(exchange, self._farewells)
        return session


class LambdaDiscoverer:
    """Asks functions what they serve."""

    def __init__(self, client: LambdaClient, options: HttpOptions) -> None:
        self._client = client
        self._options = options

    async def discover(self, location: Location) -> Discovered:
        """Ask a function what it serves, again if it is only busy.

        Raises:
            DiscoveryError: it cannot be invoked, or its answer is of no use.
        """
        endpoint = location.endpoint
        try:
            function = Function(
                parse_lambda_arn(endpoint), location.assume_role_arn, compresses=False
            )

            async def ask(request: Request) -> Answer:
                return await self._client.invoke(function, request, b"")

            answer = await ask_repeatedly(location, self._options, ask)
        except (ArnError, AwsError, LostError) as error:
            raise unreachable(endpoint, error) from error
        manifest = read_answer(endpoint, answer)
        if manifest.protocol_mode is not ProtocolMode.REQUEST_RESPONSE:
            raise DiscoveryError(
                "META0015",
                f"{endpoint} says protocolMode {manifest.protocol_mode}, and on AWS Lambda only "
                "REQUEST_RESPONSE is possible; use the SDK's handler for Lambda",
            )
        return Discovered(manifest, HTTP_1, answer.headers.get("x-restate-server"))
