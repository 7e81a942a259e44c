"""The configuration file: what it gives, what is refused, and that a dump reads as it was."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perdure.server.config_file import dump_config, read_config_file
from perdure.server.setting_values import Address
from perdure.server.settings import Settings, SettingsError


def read(tmp_path, text):
    path = tmp_path / "perdure.toml"
    path.write_text(text)
    return read_config_file(path)


def test_keys_stand_in_tables_or_with_dots(tmp_path):
    text = """
        cluster-name = "c"
        ingress.bind-address = "0.0.0.0:80"
        [worker.invoker]
        disable-eager-state = true
        message-size-limit = "1 MiB"
        concurrent-invocations-limit = 7
    """
    assert read(tmp_path, text) == {
        "cluster_name": "c",
        "ingress": Address("0.0.0.0", 80),  # noqa: S104 - nothing is bound
        "disable_eager_state": True,
        "message_bytes_limit": 2**20,
        "invocations_limit": 7,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("worker.cleanup-intervall = '1s'", "did you mean worker.cleanup-interval"),
        ("cluster_name = 'c'", "cluster-name"),
        ("worker.cleanup-interval = 'soon'", "not understood"),
        ("worker.invoker.disable-eager-state = 1", "true or false"),
        ("base-dir = 5", 'put it in quotes, as in "5"'),
        ("cluster-name = true", "put it in quotes"),
        ("[workr]", "'workr' is no setting"),
        ("[worker.invoke]", "did you mean worker.invoke"),
        ("[cluster-name]", "put it in quotes"),
        ("abort-timeout = '1s'", "did you mean worker.invoker.abort-timeout"),
        ("request-identity-private-key-pem-file = 5", "put it in quotes"),
        ("a = ", "cannot be read"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        read(tmp_path, text)


def test_the_mark_that_editors_put_in_front_is_no_part_of_the_file(tmp_path):
    assert read(tmp_path, "\ufeffcluster-name = 'c'") == {"cluster_name": "c"}


def test_headers_are_a_table(tmp_path):
    expected = {"additional_headers": {"x-tenant": "blue", "authorization": "Bearer b"}}
    inline = 'additional-request-headers = {x-tenant = "blue", Authorization = "Bearer b"}'
    assert read(tmp_path, f"[worker.invoker]\n{inline}") == expected
    table = '[worker.invoker.additional-request-headers]\nx-tenant = "blue"\n'
    assert read(tmp_path, f'{table}Authorization = " Bearer b "') == expected
    assert read(tmp_path, "[worker.invoker.additional-request-headers]") == {
        "additional_headers": {}
    }
    with pytest.raises(SettingsError, match="write a table of names and texts") as refusal:
        read(tmp_path, f"{table}x-secret = 8675309")
    assert "8675309" not in str(refusal.value)


def test_secret_headers_are_not_dumped(tmp_path):
    dump = dump_config(Settings(additional_headers={"authorization": "Bearer b", "x-a": "b"}))
    assert "Bearer" not in dump
    assert 'x-a" = "b"' in dump
    with pytest.raises(SettingsError, match="write the value of authorization"):
        read(tmp_path, dump)


def test_sections_may_be_empty(tmp_path):
    assert read(tmp_path, "[worker]\n[worker.invoker]\n[default-retry-policy]") == {}


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_config_file(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(retry_max_attempts=None, ingress=Address("::", 0), message_bytes_limit=5),
        Settings(partitions=3),
        Settings(advertised_ingress="http://i/", disable_eager_state=True),
        Settings(additional_headers={"x-a": 'say "b" \\', "x-b": ""}),
    ],
)
def test_a_dump_reads_as_it_was(tmp_path, settings):
    assert replace(Settings(), **read(tmp_path, dump_config(settings))) == settings
