import pickle
from datetime import timedelta

import pytest

from perdure.sdk import errors


def test_a_terminal_error_carries_what_the_caller_reads():
    error = errors.TerminalError("no", 404, {"a": "b"})
    assert (str(error), error.message, error.status_code) == ("no", "no", 404)
    assert error.metadata == {"a": "b"}
    assert errors.TerminalError("no").status_code == 500
    assert errors.TerminalError("no").metadata is None


def test_a_retryable_error_carries_its_delay():
    error = errors.RetryableError("later", retry_after=timedelta(seconds=1))
    assert (str(error), error.status_code) == ("later", 500)
    assert error.retry_after == timedelta(seconds=1)


def test_an_http_error_carries_the_answer():
    error = errors.HttpError(404, "not found", "{}")
    assert (str(error), error.message, error.body) == ("HTTP 404: not found", "not found", "{}")


@pytest.mark.parametrize(
    "error",
    [
        errors.TerminalError("no", 402, {"a": "b"}),
        errors.RetryableError("later", 429, timedelta(seconds=1)),
        errors.HttpError(404, "not found", "{}"),
        errors.ConnectError("no answer"),
    ],
)
def test_errors_travel_between_processes(error: Exception):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - nothing but what was just written
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("kind", [errors.SuspendedException, errors.SdkInternalException])
def test_control_flow_is_not_an_error(kind: type[BaseException]):
    exception = kind()
    assert errors.is_internal_exception(exception)
    assert not isinstance(exception, Exception)
    assert "except TerminalError:" in str(exception)


def test_errors_are_not_control_flow():
    end = errors.SuspendedException()
    assert errors.is_internal_exception(BaseExceptionGroup("", [end, end]))
    assert not errors.is_internal_exception(BaseExceptionGroup("", [end, ValueError()]))
    assert not errors.is_internal_exception(errors.TerminalError("no"))
    assert not errors.is_internal_exception(None)


def test_mistakes_of_the_author_are_also_what_python_calls_them():
    assert issubclass(errors.DefinitionError, ValueError)
    assert issubclass(errors.ContextMisuseError, RuntimeError)
    assert issubclass(errors.SerdeError, ValueError)
