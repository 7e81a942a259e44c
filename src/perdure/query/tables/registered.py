"""``sys_deployment`` and ``sys_service``: what can be called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perdure.core.model.deployments import Deployment, ServiceSchema
from perdure.engine.moment import Moment
from perdure.protocol.manifest import ServiceType
from perdure.query.columns import Column, Kind, Table, Wanted, sliced

_SERVICE_TYPES: Final = {
    ServiceType.SERVICE: "service",
    ServiceType.VIRTUAL_OBJECT: "virtual_object",
    ServiceType.WORKFLOW: "workflow",
}


def _deployments(moment: Moment, _wanted: Wanted) -> Iterator[list[Deployment]]:
    deployments = moment.registry.deployments.values()
    return sliced(sorted(deployments, key=lambda each: (each.created_at, each.id)))


def _services(moment: Moment, _wanted: Wanted) -> Iterator[list[ServiceSchema]]:
    return sliced(moment.registry.services.values())


def _deployment_type(deployment: Deployment) -> str:
    return "lambda" if deployment.endpoint.startswith("arn:") else "http"


DEPLOYMENT: Final = Table(
    "sys_deployment",
    "Deployments: addresses with the services they serve.",
    (
        Column("id", Kind.TEXT, "The deployment's id", lambda each: each.id),
        Column("ty", Kind.TEXT, "`http` or `lambda`", _deployment_type),
        Column("endpoint", Kind.TEXT, "Where it is reached", lambda each: each.endpoint),
        Column("created_at", Kind.INSTANT, "When it was registered", lambda each: each.created_at),
        Column(
            "min_service_protocol_version",
            Kind.UINT32,
            "The oldest protocol version it speaks",
            lambda each: each.manifest.min_protocol_version,
        ),
        Column(
            "max_service_protocol_version",
            Kind.UINT32,
            "The newest protocol version it speaks",
            lambda each: each.manifest.max_protocol_version,
        ),
        Column(
            "services",
            Kind.TEXTS,
            "Names of its services",
            lambda each: sorted(service.name for service in each.manifest.services),
        ),
    ),
    _deployments,
    shared=True,
)

SERVICE: Final = Table(
    "sys_service",
    "The newest revision of every service.",
    (
        Column("name", Kind.TEXT, "The service's name", lambda each: each.name),
        Column("revision", Kind.UINT64, "The newest revision", lambda each: each.revision),
        Column("public", Kind.BOOLEAN, "Whether the ingress serves it", lambda each: each.public),
        Column(
            "ty",
            Kind.TEXT,
            "`service`, `virtual_object` or `workflow`",
            lambda each: _SERVICE_TYPES[each.type],
        ),
        Column(
            "deployment_id",
            Kind.TEXT,
            "Deployment of the newest revision",
            lambda each: each.deployment_id,
        ),
    ),
    _services,
    shared=True,
)
