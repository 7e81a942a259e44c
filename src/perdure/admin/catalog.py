"""Endpoints that show what is deployed."""

from __future__ import annotations

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.documents import (
    DeploymentBrief,
    HandlerDocument,
    ServiceDocument,
    list_deployments,
    list_handlers,
    list_services,
    show_deployment,
    show_service,
)
from perdure.admin.errors import bad_field, missing
from perdure.admin.responses import json_response
from perdure.admin.service_openapi import describe_service
from perdure.core.model.deployments import ServiceSchema
from perdure.engine.reception import Reception
from perdure.protocol.ids import IdentifierError, parse_deployment_id


class DeploymentList(Struct):
    """All deployments, oldest first."""

    deployments: list[DeploymentBrief]


class ServiceList(Struct):
    """All services, by name."""

    services: list[ServiceDocument]


class HandlerList(Struct):
    """The handlers of a service, by name."""

    handlers: list[HandlerDocument]


class Catalog:
    """Reads the registry; each answer shows one immutable value of it."""

    def __init__(self, requests: Reception, ingress_url: str | None) -> None:
        self._requests = requests
        self._ingress_url = ingress_url

    async def deployments(self, _request: Request) -> Response:
        """List deployments."""
        return json_response(DeploymentList(list_deployments(self._requests.registry)))

    async def deployment(self, request: Request) -> Response:
        """Show one deployment."""
        text = request.path_params["deployment"]
        try:
            deployment_id = parse_deployment_id(text)
        except IdentifierError as error:
            raise bad_field("deployment", error) from error
        registry = self._requests.registry
        deployment = registry.deployments.get(deployment_id)
        if deployment is None:
            raise missing(f"deployment '{text}'")
        return json_response(show_deployment(registry, deployment))

    async def services(self, _request: Request) -> Response:
        """List services."""
        return json_response(ServiceList(list_services(self._requests.registry)))

    async def service(self, request: Request) -> Response:
        """Show one service."""
        return json_response(show_service(self._requests.registry, self._service(request)))

    async def openapi(self, request: Request) -> Response:
        """Describe the handlers of a service."""
        return json_response(describe_service(self._service(request), self._ingress_url))

    async def handlers(self, request: Request) -> Response:
        """List the handlers of a service."""
        service = self._service(request)
        return json_response(HandlerList(list_handlers(self._requests.registry, service)))

    async def handler(self, request: Request) -> Response:
        """Show one handler."""
        service = self._service(request)
        name = request.path_params["handler"]
        for document in list_handlers(self._requests.registry, service):
            if document.name == name:
                return json_response(document)
        raise missing(f"handler '{name}' on service '{service.name}'")

    def _service(self, request: Request) -> ServiceSchema:
        name = request.path_params["service"]
        service = self._requests.registry.services.get(name)
        if service is None:
            raise missing(f"service '{name}'")
        return service
