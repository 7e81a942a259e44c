"""Endpoints that register, change and remove deployments."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.bodies import Check, Wrong, read_body, unprocessable
from perdure.admin.documents import (
    ServiceDocument,
    show_deployment,
    show_service,
)
from perdure.admin.errors import AdminError, bad_field, bad_parameter, bad_value, missing
from perdure.admin.responses import json_response
from perdure.admin.secrets import restore
from perdure.core.model.lambda_arns import ArnError, check_role_arn, parse_lambda_arn
from perdure.core.model.manifest_checks import RegistrationError
from perdure.engine.registrar import Amendment, DiscoveryError, Order, Outcome, Registrar
from perdure.protocol.ids import DeploymentId, IdentifierError, parse_deployment_id
from perdure.transport.additional_headers import as_sent, header_fault

_STATUS: Final = {
    "META0006": HTTPStatus.CONFLICT,
    "META0012": HTTPStatus.INTERNAL_SERVER_ERROR,
    "META0016": HTTPStatus.CONFLICT,
    "META0017": HTTPStatus.CONFLICT,
}


class RegisterBody(Struct):
    """What ``POST /deployments`` takes: an URI, or the ARN of a Lambda function."""

    uri: str | None = None
    arn: str | None = None
    assume_role_arn: str | None = None
    additional_headers: dict[str, str] | None = None
    #: Identities that the server would have to ask somebody for: refused, and not forgotten.
    auth: dict[str, Any] | None = None
    use_http_11: bool = False
    metadata: dict[str, str] | None = None
    breaking: bool = False
    force: bool | None = None
    dry_run: bool = False


class AmendBody(Struct):
    """What ``PATCH /deployments/{id}`` takes."""

    uri: str | None = None
    arn: str | None = None
    assume_role_arn: str | None = None
    additional_headers: dict[str, str] | None = None
    use_http_11: bool | None = None
    overwrite: bool = False
    dry_run: bool = False


class RegisteredDocument(Struct):
    """What was registered, or would be."""

    id: str
    services: list[ServiceDocument]
    min_protocol_version: int
    max_protocol_version: int
    sdk_version: str | UnsetType = UNSET


class Deployments:
    """Changes what is deployed."""

    def __init__(self, registrar: Registrar, *, force_by_default: bool = False) -> None:
        self._registrar = registrar
        self._force = force_by_default

    async def register(self, request: Request) -> Response:
        """Register a deployment: 201 if it is new, 200 if its address is known."""
        body = await read_body(request, RegisterBody, checks=_CHECKS, one_of=("uri", "arn"))
        endpoint = check_endpoint(body.uri, body.arn)
        assert endpoint is not None, "a body has one of them"
        order = Order(
            endpoint=endpoint,
            use_http_11=body.use_http_11,
            assume_role_arn=check_role(body.assume_role_arn, endpoint),
            additional_headers=check_headers(body.additional_headers or {}),
            metadata=body.metadata or {},
            force=self._force if body.force is None else body.force,
            breaking=body.breaking,
            dry_run=body.dry_run,
        )
        try:
            outcome = await self._registrar.register(order)
        except RegistrationError as error:
            raise _refused(error) from error
        status = HTTPStatus.CREATED if outcome.created or self._force else HTTPStatus.OK
        location = {"location": f"deployments/{outcome.deployment.id}"}
        return json_response(_registered(outcome), status, location)

    async def amend(self, request: Request) -> Response:
        """Change a deployment in place."""
        deployment_id = _deployment_id(request)
        body = await read_body(request, AmendBody, checks=_CHECKS)
        headers = self._headers_of(deployment_id, body)
        endpoint = check_endpoint(body.uri, body.arn)
        try:
            whose = endpoint or self._registrar.endpoint_of(deployment_id)
            amendment = Amendment(
                endpoint=endpoint,
                additional_headers=headers,
                assume_role_arn=check_role(body.assume_role_arn, whose),
                use_http_11=body.use_http_11,
                overwrite=body.overwrite,
                dry_run=body.dry_run,
            )
            outcome = await self._registrar.amend(deployment_id, amendment)
        except LookupError as error:
            raise missing(f"deployment '{deployment_id}'") from error
        except RegistrationError as error:
            raise _refused(error) from error
        return json_response(show_deployment(outcome.registry, outcome.deployment))

    def _headers_of(self, deployment_id: DeploymentId, body: AmendBody) -> dict[str, str] | None:
        """Give the headers to set; a secret that comes back as it was shown stays what it is."""
        if body.additional_headers is None:
            return None
        stored = self._registrar.headers_of(deployment_id)
        return check_headers(restore(body.additional_headers, stored))

    async def remove(self, request: Request) -> Response:
        """Remove a deployment, if forced to: invocations may still need it."""
        deployment_id = _deployment_id(request)
        force = request.query_params.get("force", "false")
        if force not in ("true", "false"):
            raise bad_parameter("force", "it is neither 'true' nor 'false'")
        if force == "false":
            raise AdminError(
                HTTPStatus.NOT_IMPLEMENTED,
                "a deployment is removed with ?force=true only; look for invocations that are "
                "pinned to it first",
            )
        try:
            self._registrar.remove(deployment_id)
        except LookupError as error:
            raise AdminError(
                HTTPStatus.NOT_FOUND,
                f"not found in the schema registry: deployment with id '{deployment_id}'",
            ) from error
        return Response(status_code=HTTPStatus.ACCEPTED)


def check_endpoint(uri: str | None, arn: str | None) -> str | None:
    """Accept either an URI or an ARN, or neither.

    Raises:
        AdminError: both are given, or it is not what it should be.
    """
    if uri is not None and arn is not None:
        raise bad_value("arn", "a deployment has either an uri or an arn")
    if arn is None:
        return None if uri is None else check_uri(uri)
    return check_arn(arn)


def check_arn(arn: str) -> str:
    """Accept the ARN of a Lambda function.

    Raises:
        AdminError: it is none.
    """
    try:
        parse_lambda_arn(arn)
    except ArnError as error:
        raise bad_value("arn", error) from error
    return arn


def check_role(role: str | None, endpoint: str) -> str | None:
    """Accept the role to assume for a Lambda function.

    Raises:
        AdminError: it is none, or is given for something else.
    """
    if role is None:
        return None
    if not endpoint.startswith("arn:"):
        raise bad_value("assume_role_arn", "only Lambda functions, named by arn, take a role")
    return _check_role_alone(role)


def _check_role_alone(role: str) -> str:
    try:
        return check_role_arn(role)
    except ArnError as error:
        raise bad_value("assume_role_arn", error) from error


def check_uri(uri: str) -> str:
    """Accept an absolute URI, with a path at least of ``/``, and without its fragment.

    Raises:
        AdminError: it is none.
    """
    scheme, separator, rest = uri.partition("#")[0].partition("://")
    if not separator or not scheme.isalnum() or not rest:
        reason = f"The provided uri {uri} is not absolute, only absolute URIs can be used."
        raise bad_value("uri", reason)
    if any(not "!" <= character <= "~" for character in uri):
        raise bad_value(
            "uri",
            f"The provided uri {uri} holds white space or letters beyond ASCII; write them as "
            "%xx in a path, and the name of a host in its form for machines (xn--...)",
        )
    authority, query_mark, query = rest.partition("?")
    if "/" not in authority:
        authority += "/"
    return f"{scheme.lower()}://{authority}{query_mark}{query}"


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """Accept headers that a request may carry; give them as they are sent.

    Raises:
        AdminError: names all that cannot be sent.
    """
    checked = as_sent(headers)
    wrong = []
    for name, value in checked.items():
        fault = header_fault(name, value)
        if fault is not None:
            wrong.append(Wrong(f"additional_headers.{name}", fault))
    if wrong:
        raise unprocessable(wrong)
    return checked


def _refuse_auth(_auth: dict[str, Any]) -> None:
    raise bad_value(
        "auth",
        "this server asks nobody for identity tokens; let a proxy beside it add them, or send a "
        "fixed header with additional_headers",
    )


_CHECKS: Final[Mapping[str, Check]] = {
    "uri": check_uri,
    "arn": check_arn,
    "assume_role_arn": _check_role_alone,
    "additional_headers": check_headers,
    "auth": _refuse_auth,
}


def _deployment_id(request: Request) -> DeploymentId:
    try:
        return parse_deployment_id(request.path_params["deployment"])
    except IdentifierError as error:
        raise bad_field("deployment", error) from error


def _refused(error: RegistrationError) -> AdminError:
    status = _STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
    if isinstance(error, DiscoveryError):
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    return AdminError(status, f"[{error.code}] {error}", error.code)


def _registered(outcome: Outcome) -> RegisteredDocument:
    registry, deployment, _ = outcome
    schemas = [registry.pinned[deployment.id, name] for name in sorted(deployment.revisions)]
    sdk_version: Any = deployment.sdk_version
    return RegisteredDocument(
        id=deployment.id,
        services=[show_service(registry, schema) for schema in schemas],
        min_protocol_version=deployment.manifest.min_protocol_version,
        max_protocol_version=deployment.manifest.max_protocol_version,
        sdk_version=UNSET if sdk_version is None else sdk_version,
    )
