"""The table of operations: every method on every path of the admin API, in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from perdure.admin.about import (
    About,
    ClusterHealthDocument,
    VersionDocument,
)
from perdure.admin.batches import Batch, BatchDocument, Batches, RestartBatch, ResumeBatch
from perdure.admin.catalog import Catalog, DeploymentList, HandlerList, ServiceList
from perdure.admin.deployments import AmendBody, Deployments, RegisterBody, RegisteredDocument
from perdure.admin.documents import DeploymentDocument, HandlerDocument, ServiceDocument
from perdure.admin.event_sources import (
    ClusterChange,
    ClusterDetailDocument,
    ClusterDocument,
    ClusterList,
    Clusters,
    NewCluster,
    NewSubscription,
    SubscriptionDocument,
    SubscriptionList,
    Subscriptions,
)
from perdure.admin.flow_control import (
    RuleChange,
    RuleDeletion,
    RuleDocument,
    Rules,
    change_queue,
)
from perdure.admin.invocation_documents import InvocationDocument
from perdure.admin.invocations import InvocationEndpoints, Invocations, RestartedDocument
from perdure.admin.journal_documents import EntryDocument, JournalDocument
from perdure.admin.operations import ACCEPTED, CREATED, OK, Operation, Parameter
from perdure.admin.services import ServiceChange, Services, StateChange
from perdure.engine.configurator import Configurator
from perdure.engine.reception import Reception
from perdure.engine.registrar import Registrar

_DEPLOYMENT: Final = Parameter(
    "deployment", "Deployment to go on with: latest, keep, or the id of one"
)
_FORCE: Final = Parameter("force", "Whether to do it in spite of what needs it", ("true", "false"))
_CHANGES: Final = {
    "cancel": "Ask an invocation to cancel itself",
    "kill": "End an invocation and all it called, at once",
    "pause": "Stop an invocation until it is resumed",
    "purge": "Forget an ended invocation",
    "purge-journal": "Forget the journal of an ended invocation and keep its result",
}
#: Changes in which the handler has a say, so that they may be answered before they are made.
_COOPERATIVE: Final = frozenset({"cancel", "pause"})


class Parts(Struct, frozen=True, kw_only=True):
    """What the admin API works on; what is None is not served."""

    requests: Reception
    ingress_url: str | None = None
    registrar: Registrar | None = None
    configurator: Configurator | None = None
    cluster_name: str = "localcluster"


def list_operations(parts: Parts, *, force_by_default: bool) -> list[Operation]:
    """List what can be asked.

    Args:
        parts: what the operations work on.
        force_by_default: whether a known address is discovered anew, unless told not to.
    """
    operations = [
        *_about(parts.ingress_url, parts.cluster_name),
        *_catalog(parts.requests, parts.ingress_url),
        *_invocations(Invocations(parts.requests)),
        *_batches(Batches(Invocations(parts.requests))),
        *_queues(),
    ]
    if parts.registrar is not None:
        deployments = Deployments(parts.registrar, force_by_default=force_by_default)
        operations += _deployments(deployments)
    if parts.configurator is not None:
        operations += _services(Services(parts.requests, parts.configurator))
        operations += _clusters(Clusters(parts.configurator))
        operations += _subscriptions(Subscriptions(parts.configurator))
        operations += _rules(Rules(parts.configurator))
    return operations


def _get(path: str, endpoint: Any, summary: str, document: Any, *query: Parameter) -> Operation:
    return Operation(
        method="GET",
        path=path,
        endpoint=endpoint,
        summary=summary,
        answers={OK: document},
        query=query,
    )


def _about(ingress_url: str | None, cluster_name: str) -> Iterator[Operation]:
    about = About(ingress_url, cluster_name)
    yield _get("/health", about.health, "Tell that the server is up", None)
    yield _get("/version", about.version, "Show versions and features", VersionDocument)
    yield _get("/cluster-health", about.cluster_health, "Show the cluster", ClusterHealthDocument)


def _catalog(requests: Reception, ingress_url: str | None) -> Iterator[Operation]:
    catalog = Catalog(requests, ingress_url)
    service = "/services/{service}"
    yield _get("/deployments", catalog.deployments, "List deployments", DeploymentList)
    yield _get(
        "/deployments/{deployment}", catalog.deployment, "Show a deployment", DeploymentDocument
    )
    yield _get("/services", catalog.services, "List services", ServiceList)
    yield _get(service, catalog.service, "Show a service", ServiceDocument)
    yield _get(
        f"{service}/openapi", catalog.openapi, "Describe a service's handlers", dict[str, Any]
    )
    yield _get(f"{service}/handlers", catalog.handlers, "List handlers", HandlerList)
    yield _get(
        f"{service}/handlers/{{handler}}", catalog.handler, "Show a handler", HandlerDocument
    )


def _deployments(deployments: Deployments) -> Iterator[Operation]:
    one = "/deployments/{deployment}"
    yield Operation(
        method="POST",
        path="/deployments",
        endpoint=deployments.register,
        summary="Register a deployment",
        body=RegisterBody,
        answers={OK: RegisteredDocument, CREATED: RegisteredDocument},
    )
    for method in ("PATCH", "PUT"):
        yield Operation(
            method=method,
            path=one,
            endpoint=deployments.amend,
            summary="Change a deployment in place",
            body=AmendBody,
            answers={OK: DeploymentDocument},
        )
    yield Operation(
        method="DELETE",
        path=one,
        endpoint=deployments.remove,
        summary="Remove a deployment",
        answers={ACCEPTED: None},
        query=(_FORCE,),
    )


def _services(services: Services) -> Iterator[Operation]:
    yield Operation(
        method="PATCH",
        path="/services/{service}",
        endpoint=services.configure,
        summary="Set options of a service, until its next revision",
        body=ServiceChange,
        answers={OK: ServiceDocument},
    )
    yield Operation(
        method="POST",
        path="/services/{service}/state",
        endpoint=services.change_state,
        summary="Replace the state of an object or workflow",
        body=StateChange,
        answers={ACCEPTED: None},
    )


def _invocations(invocations: Invocations) -> Iterator[Operation]:
    endpoints = InvocationEndpoints(invocations)
    one = "/invocations/{invocation_id}"
    yield _get(one, endpoints.show, "Show an invocation", InvocationDocument)
    yield _get(
        f"{one}/journal",
        endpoints.show_journal,
        "Show a journal, up to 1000 entries of it",
        JournalDocument,
        Parameter("from", "Index of the first entry to show"),
    )
    yield _get(
        f"{one}/journal/{{index}}", endpoints.show_entry, "Show an entry of it", EntryDocument
    )
    yield Operation(
        method="DELETE",
        path=one,
        endpoint=endpoints.terminate,
        summary="Cancel, kill or purge an invocation, the older way",
        answers={ACCEPTED: None},
        query=(
            Parameter(
                "mode",
                "What to do",
                ("Cancel", "cancel", "Kill", "kill", "Purge", "purge"),
            ),
        ),
    )
    for name, summary in _CHANGES.items():
        answers: dict[int, Any] = {OK: None}
        if name in _COOPERATIVE:
            answers[ACCEPTED] = None
        yield _patch(f"{one}/{name}", endpoints.changing(name), summary, answers)
    resume = "Go on with an invocation"
    yield _patch(f"{one}/resume", endpoints.resume, resume, {OK: None}, _DEPLOYMENT)
    yield _patch(
        f"{one}/restart-as-new",
        endpoints.restart_as_new,
        "Run an ended invocation again",
        {OK: RestartedDocument},
        Parameter("from", "Index of the last journal entry to keep"),
        _DEPLOYMENT,
    )


def _patch(
    path: str, endpoint: Any, summary: str, answers: Mapping[int, Any], *query: Parameter
) -> Operation:
    return Operation(
        method="PATCH",
        path=path,
        endpoint=endpoint,
        summary=summary,
        answers=answers,
        query=query,
    )


def _batches(batches: Batches) -> Iterator[Operation]:
    changes = {name: (batches.changing(name), Batch) for name in _CHANGES}
    changes["resume"] = (batches.resume, ResumeBatch)
    changes["restart-as-new"] = (batches.restart_as_new, RestartBatch)
    for name, (endpoint, body) in changes.items():
        yield Operation(
            method="POST",
            path=f"/internal/invocations/{name}",
            endpoint=endpoint,
            summary=f"Do {name} with many invocations",
            body=body,
            answers={OK: BatchDocument},
        )


def _clusters(clusters: Clusters) -> Iterator[Operation]:
    one = "/kafka-clusters/{cluster}"
    yield _get("/kafka-clusters", clusters.list, "List Kafka clusters", ClusterList)
    yield Operation(
        method="POST",
        path="/kafka-clusters",
        endpoint=clusters.create,
        summary="Add a Kafka cluster",
        body=NewCluster,
        answers={CREATED: ClusterDocument},
    )
    with_subscriptions = Parameter(
        "include_subscriptions", "Whether to show them", ("true", "false")
    )
    yield _get(
        one, clusters.show, "Show a Kafka cluster", ClusterDetailDocument, with_subscriptions
    )
    yield Operation(
        method="PATCH",
        path=one,
        endpoint=clusters.change,
        summary="Change how a Kafka cluster is reached",
        body=ClusterChange,
        answers={OK: ClusterDocument},
    )
    yield Operation(
        method="DELETE",
        path=one,
        endpoint=clusters.remove,
        summary="Forget a Kafka cluster",
        answers={ACCEPTED: None},
        query=(_FORCE,),
    )


def _subscriptions(subscriptions: Subscriptions) -> Iterator[Operation]:
    one = "/subscriptions/{subscription}"
    yield _get(
        "/subscriptions",
        subscriptions.list,
        "List subscriptions",
        SubscriptionList,
        Parameter("source", "Only those with this source"),
        Parameter("sink", "Only those with this sink"),
    )
    yield Operation(
        method="POST",
        path="/subscriptions",
        endpoint=subscriptions.create,
        summary="Add a subscription",
        body=NewSubscription,
        answers={CREATED: SubscriptionDocument},
    )
    yield _get(one, subscriptions.show, "Show a subscription", SubscriptionDocument)
    yield Operation(
        method="DELETE",
        path=one,
        endpoint=subscriptions.remove,
        summary="Forget a subscription",
        answers={ACCEPTED: None},
    )


def _rules(rules: Rules) -> Iterator[Operation]:
    yield Operation(
        method="PUT",
        path="/limits/rules",
        endpoint=rules.put,
        summary="Set rules, all of them or none",
        body=list[RuleChange],
        answers={OK: list[RuleDocument]},
    )
    yield Operation(
        method="POST",
        path="/limits/rules/bulk-delete",
        endpoint=rules.delete,
        summary="Remove rules, all of them or none; the answer tells which were there",
        body=list[RuleDeletion],
        answers={OK: list[str]},
    )


def _queues() -> Iterator[Operation]:
    for name, verb in (("pause", "Pause"), ("resume", "Resume")):
        yield Operation(
            method="POST",
            path=f"/vqueues/{{vqueue_id}}/{name}",
            endpoint=change_queue,
            summary=f"{verb} a virtual queue, of which there are none yet",
            answers={ACCEPTED: None},
        )
