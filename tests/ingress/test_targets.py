import pytest

from perdure.ingress.errors import BadRequestError
from perdure.ingress.targets import read_awakeable_id, read_invocation_id, read_target
from perdure.protocol import ids

INVOCATION = ids.InvocationId(bytes(range(24)))
TEXT = ids.invocation_text(INVOCATION)


def test_an_invocation_is_named_by_its_id():
    assert read_target(b'{"target":"invocation","invocationId":"%b"}' % TEXT.encode()) == INVOCATION


def test_an_idempotent_invocation_is_named_by_service_handler_and_key():
    body = b'{"target":"idempotentInvocation","service":"G","handler":"h","idempotencyKey":"i"}'
    assert read_target(body) == ids.idempotent_id("G", "h", "i")
    body = (
        b'{"target":"idempotentInvocation","service":"C","key":"k","handler":"h",'
        b'"idempotencyKey":"i","more":1}'
    )
    assert read_target(body) == ids.idempotent_id("C", "h", "i", "k")


def test_a_workflow_is_named_by_name_and_key():
    body = b'{"target":"workflow","workflowName":"W","workflowKey":"k"}'
    assert read_target(body) == ids.workflow_run_id("W", "k")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "truncated"),
        (b"{bad", "malformed"),
        (b"\xff", "malformed"),
        (b"[]", "Expected `object`"),
        (b'{"target":"foo"}', "Invalid value 'foo'"),
        (b'{"target":"idempotentInvocation","service":"G"}', "missing required field `handler`"),
        (b'{"target":"invocation","invocationId":"foo"}', "bad invocation id 'foo': bad format"),
        (b'{"target":"workflow","workflowName":"W","workflowKey":"k","scope":"s"}', "vqueues"),
    ],
)
def test_what_is_no_target_is_a_bad_request(body, says):
    with pytest.raises(BadRequestError, match=says):
        read_target(body)


def test_a_malformed_id_is_quoted():
    with pytest.raises(BadRequestError, match="bad invocation id 'inv_zzz': unrecognized codec"):
        read_invocation_id("inv_zzz")


def test_an_awakeable_id_names_invocation_and_signal():
    assert read_awakeable_id(ids.awakeable_text(INVOCATION, 17)) == (INVOCATION, 17)


@pytest.mark.parametrize(
    "text", ["foo", "sign_1xxxx", "sign_", "prom_1NMyOAvDK2CcBjUH", "sign_1\u00e9"]
)
def test_a_malformed_awakeable_id_is_a_bad_request(text):
    with pytest.raises(BadRequestError, match="bad awakeable id"):
        read_awakeable_id(text)
