"""Endpoints that say what this server is, and that it is well."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.responses import json_response

API_VERSION_MIN: Final = 2
API_VERSION_MAX: Final = 4

#: Name and whether it is there, of what clients may ask for by version of the server.
_FEATURES: Final = {
    "invoker_yield": False,
    "kafka_scope": False,
    "preflight_invocation_termination_retention": False,
    "protocol_v7": True,
    "scoped_promise_table_migration": False,
    "scoped_state_table_migration": False,
    "scoped_virtual_objects": False,
    "unique_random_seeds": False,
    "vqueue_obsolete_cleanup": False,
    "vqueues": False,
    "vqueues_async_refill": False,
    "vqueues_migration_skip_completed": False,
}


class VersionDocument(Struct):
    """What the server is, and which versions of this API it serves."""

    version: str
    min_admin_api_version: int
    max_admin_api_version: int
    ingress_endpoint: str | None
    features: dict[str, bool]


class MembersDocument(Struct):
    """Who keeps the cluster's metadata."""

    members: list[int]


class ClusterHealthDocument(Struct):
    """The cluster, which is this server alone."""

    cluster_name: str
    metadata_cluster_health: MembersDocument


class About:
    """Answers from what is known at the start."""

    def __init__(self, ingress_url: str | None, cluster_name: str) -> None:
        self._cluster = ClusterHealthDocument(cluster_name, MembersDocument([1]))
        self._version = VersionDocument(
            version=own_version(),
            min_admin_api_version=API_VERSION_MIN,
            max_admin_api_version=API_VERSION_MAX,
            ingress_endpoint=ingress_url,
            features=_FEATURES,
        )

    async def health(self, _request: Request) -> Response:
        """Answer, which is all there is to say."""
        return Response()

    async def version(self, _request: Request) -> Response:
        """Tell versions and features."""
        return json_response(self._version)

    async def cluster_health(self, _request: Request) -> Response:
        """Tell who belongs to the cluster."""
        return json_response(self._cluster)


def own_version() -> str:
    """Give the version of this package."""
    try:
        return version("perdure")
    except PackageNotFoundError:
        return "0.0.0"  # run from sources that were never installed
