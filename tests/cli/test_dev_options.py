"""Options over environment over defaults, and what ``perdure dev`` says when it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.cli.errors import EXIT_USAGE, CommandError
from perdure.cli.serving import DevOptions, example_request, list_services, read_settings
from perdure.core.model.deployments import Defaults, build_registry, with_deployment
from perdure.protocol.ids import deployment_text
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    InputPayload,
    Manifest,
    ServiceManifest,
    ServiceType,
)
from perdure.server.setting_values import Address
from perdure.server.settings import Settings


def options(host=None, ingress_port=None, admin_port=None, data_dir=None) -> DevOptions:
    return DevOptions("shop:app", host, ingress_port, admin_port, data_dir)


def test_what_is_not_said_is_the_default():
    assert read_settings(options(), {}) == Settings()


def test_options_come_before_the_environment():
    environment = {
        "PERDURE_INGRESS__BIND_ADDRESS": "10.0.0.1:80",
        "PERDURE_ADMIN__BIND_ADDRESS": "10.0.0.2:81",
        "PERDURE_BASE_DIR": "/srv",
    }
    settings = read_settings(options(), environment)
    assert settings.ingress == Address("10.0.0.1", 80)
    assert settings.admin == Address("10.0.0.2", 81)
    assert settings.data_dir == Path("/srv")

    chosen = options("::1", ingress_port=0, admin_port=9000, data_dir=Path("here"))
    settings = read_settings(chosen, environment)
    assert settings.ingress == Address("::1", 0)
    assert settings.admin == Address("::1", 9000)
    assert settings.data_dir == Path("here")


def test_random_ports_are_those_that_are_not_given():
    chosen = options(admin_port=9000)._replace(random_ports=True)
    settings = read_settings(chosen, {"PERDURE_INGRESS__BIND_ADDRESS": "10.0.0.1:80"})
    assert settings.ingress == Address("10.0.0.1", 0)
    assert settings.admin.port == 9000


def test_without_an_application_data_goes_where_that_was_said_or_nowhere():
    alone = options()._replace(target=None)
    assert read_settings(alone, {}).data_dir is None
    assert read_settings(alone, {"PERDURE_BASE_DIR": "/srv"}).data_dir == Path("/srv")
    assert read_settings(alone._replace(data_dir=Path("here")), {}).data_dir == Path("here")


def test_an_environment_that_is_not_understood_is_told():
    with pytest.raises(CommandError, match="PERDURE_BASE_DIR") as refusal:
        read_settings(options(), {"PERDURE_BASE_DI": "/srv"})
    assert refusal.value.exit_code == EXIT_USAGE


# -- What is printed


def registry_of(*services):
    manifest = Manifest(min_protocol_version=5, max_protocol_version=7, services=services)
    empty = build_registry([], Defaults())
    return with_deployment(empty, deployment_text(bytes(16)), "inprocess://a", manifest, 0)


def handler(name, schema=None, *, ty=None, takes=True, private=None):
    payload = InputPayload(content_type="application/json", json_schema=schema)
    return HandlerManifest(
        name=name, ty=ty, input=payload if takes else InputPayload(), ingress_private=private
    )


def service(name, *handlers, ty=ServiceType.SERVICE):
    return ServiceManifest(name=name, ty=ty, handlers=handlers)


def test_services_are_listed_with_their_handlers():
    registry = registry_of(
        service("A", handler("one"), handler("two")), service("B", ty=ServiceType.VIRTUAL_OBJECT)
    )
    assert list_services(registry) == [
        "A (service, r1): one, two",
        "B (virtual_object, r1): no handlers yet: decorate with its .handler()",
    ]


def test_that_there_are_no_services_is_said():
    [line] = list_services(registry_of())
    assert line.startswith("no services yet: give perdure.app([...]) some")


def example(*services):
    return example_request(registry_of(*services), "http://here")


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"type": "string"}, '"World"'),
        ({"type": "integer"}, "1"),
        ({"type": "number"}, "1.0"),
        ({"type": "boolean"}, "true"),
        ({"type": "array"}, "[]"),
        ({"type": "object"}, "{}"),
        ({"type": ["string", "null"]}, "{}"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "{}"),
        ({}, "{}"),
        (True, "{}"),
        (None, "{}"),
    ],
)
def test_an_example_has_a_body_of_the_right_type(schema, body):
    assert example(service("S", handler("h", schema))) == f"curl http://here/S/h --json '{body}'"


def test_an_example_names_the_file_of_a_socket():
    registry = registry_of(service("S", handler("h", takes=False)))
    expected = "curl --unix-socket /tmp/a.sock http://localhost/S/h"
    assert example_request(registry, "unix:/tmp/a.sock") == expected


def test_a_handler_without_input_gets_no_body():
    assert example(service("S", handler("h", takes=False))) == "curl http://here/S/h"


def test_an_object_s_handler_gets_a_key():
    keyed = service("O", handler("h", {"type": "string"}), ty=ServiceType.VIRTUAL_OBJECT)
    assert example(keyed) == "curl http://here/O/my-key/h --json '\"World\"'"


def test_an_example_calls_what_can_be_called():
    hidden = service("A", handler("secret", {"type": "string"}, private=True))
    shared = handler("h", {"type": "string"}, ty=HandlerType.SHARED)
    assert example(hidden) is None
    assert example() is None
    assert "/B/" in example(hidden, service("B", shared, ty=ServiceType.VIRTUAL_OBJECT))
