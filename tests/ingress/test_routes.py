import pytest

from perdure.ingress.errors import BadRequestError, NotFoundError
from perdure.ingress.routes import (
    AwakeableRoute,
    HandlerRoute,
    HealthRoute,
    IdempotentRoute,
    InvocationRoute,
    Mode,
    Operation,
    TargetRoute,
    WorkflowRoute,
    parse_path,
    split_handler_path,
    split_idempotent_path,
)

ATTACH, OUTPUT, LOOKUP = Operation.ATTACH, Operation.OUTPUT, Operation.LOOKUP


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/Greeter/greet", HandlerRoute("Greeter", ("greet",))),
        (b"//Greeter/greet", HandlerRoute("Greeter", ("greet",))),
        (b"/Greeter/greet/", HandlerRoute("Greeter", ("greet",))),
        (b"/Greeter/greet//", HandlerRoute("Greeter", ("greet",))),
        (b"/Greeter/greet/send", HandlerRoute("Greeter", ("greet", "send"))),
        (b"/Counter//add", HandlerRoute("Counter", ("", "add"))),
        (b"/restate/call/Greeter/greet", HandlerRoute("Greeter", ("greet",), Mode.CALL)),
        (b"/restate/send/Counter/k/add", HandlerRoute("Counter", ("k", "add"), Mode.SEND)),
        (b"/restate/invocation/inv_1/attach", InvocationRoute(ATTACH, "inv_1")),
        (b"/restate/invocation/inv_1/output", InvocationRoute(OUTPUT, "inv_1")),
        (b"/restate/attach/inv_1", InvocationRoute(ATTACH, "inv_1")),
        (b"/restate/output/inv_1", InvocationRoute(OUTPUT, "inv_1")),
        (b"/restate/invocation/G/greet/k/attach", IdempotentRoute(ATTACH, "G", ("greet", "k"))),
        (b"/restate/invocation/C/a/add/k/output", IdempotentRoute(OUTPUT, "C", ("a", "add", "k"))),
        (b"/restate/workflow/Signup/a%20b/attach", WorkflowRoute(ATTACH, "Signup", "a b")),
        (b"/restate/attach", TargetRoute(ATTACH)),
        (b"/restate/output", TargetRoute(OUTPUT)),
        (b"/restate/lookup", TargetRoute(LOOKUP)),
        (b"/restate/awakeables/sign_1/resolve", AwakeableRoute("sign_1", resolve=True)),
        (b"/restate/a/sign_1/reject", AwakeableRoute("sign_1", resolve=False)),
        (b"/restate/health", HealthRoute()),
        (b"/restate/health/live", HealthRoute()),
    ],
)
def test_paths_become_routes(path, route):
    assert parse_path(path) == route


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/Greeter",
        b"/restate/call",
        b"/restate/call/Greeter",
        b"/restate/lookup/inv_1",
        b"/restate/attach/a/b",
        b"/restate/invocation/inv_1",
        b"/restate/workflow/Signup/k",
        b"/restate/awakeables/sign_1",
        b"/restate/scope/tenant/call/Greeter/greet",
    ],
)
def test_paths_of_the_wrong_shape_are_bad_requests(path):
    with pytest.raises(BadRequestError):
        parse_path(path)


@pytest.mark.parametrize(
    "path",
    [
        b"/restate",
        b"/restate/nope",
        b"/restate/invocation/inv_1/cancel",
        b"/restate/workflow/Signup/k/foo",
        b"/restate/awakeables/sign_1/foo",
    ],
)
def test_unknown_paths_are_not_found(path):
    with pytest.raises(NotFoundError):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "keyed", "parts"),
    [
        (b"/G/greet", False, ("", "greet", Mode.CALL)),
        (b"/G/greet/send", False, ("", "greet", Mode.SEND)),
        (b"/G/send", False, ("", "send", Mode.CALL)),
        (b"/C/k/add", True, ("k", "add", Mode.CALL)),
        (b"/C/k/add/send", True, ("k", "add", Mode.SEND)),
        (b"/C/send/add", True, ("send", "add", Mode.CALL)),
        (b"/C/k/send", True, ("k", "send", Mode.CALL)),
        (b"/C//add", True, ("", "add", Mode.CALL)),
        (b"/C/../add", True, ("..", "add", Mode.CALL)),
        (b"/restate/send/C/k/add", True, ("k", "add", Mode.SEND)),
    ],
)
def test_the_kind_of_service_tells_key_and_handler_apart(path, keyed, parts):
    assert split_handler_path(parse_path(path), keyed=keyed) == parts


@pytest.mark.parametrize(
    ("path", "keyed"),
    [
        (b"/G/greet/foo", False),
        (b"/G/greet/send/foo", False),
        (b"/C/add", True),
        (b"/C/k/add/x", True),
        (b"/restate/call/G/greet/send", False),
        (b"/restate/call/C/add", True),
    ],
)
def test_too_few_or_too_many_segments_are_bad_requests(path, keyed):
    with pytest.raises(BadRequestError, match="bad path, expected"):
        split_handler_path(parse_path(path), keyed=keyed)


@pytest.mark.parametrize(
    ("segment", "key"),
    [
        (b"a%2Fb", "a/b"),
        (b"%E2%82%AC%20x", "\u20ac x"),
        ("\u20ac".encode(), "\u20ac"),
        (b"a+b", "a+b"),
        (b"%zz", "%zz"),
    ],
)
def test_keys_are_percent_decoded(segment, key):
    route = parse_path(b"/Counter/" + segment + b"/add")
    assert split_handler_path(route, keyed=True)[0] == key


@pytest.mark.parametrize("segment", [b"%FF", b"\xff"])
def test_keys_are_utf8(segment):
    with pytest.raises(BadRequestError, match="not valid UTF-8"):
        split_handler_path(parse_path(b"/Counter/" + segment + b"/add"), keyed=True)


def test_idempotency_keys_are_percent_decoded():
    route = parse_path(b"/restate/invocation/Greeter/greet/my%20key/output")
    assert split_idempotent_path(route, keyed=False) == (None, "greet", "my key")
    route = parse_path(b"/restate/invocation/Counter/a%2Fb/add/k/output")
    assert split_idempotent_path(route, keyed=True) == ("a/b", "add", "k")


@pytest.mark.parametrize("keyed", [True, False])
def test_idempotent_paths_have_a_fixed_number_of_segments(keyed):
    route = IdempotentRoute(OUTPUT, "S", ("a",))
    with pytest.raises(BadRequestError):
        split_idempotent_path(route, keyed=keyed)
