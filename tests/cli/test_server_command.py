"""``perdure server``: where its settings come from, and the process itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dev_process import environment, until

from perdure.cli.main import cli
from perdure.protocol.identity import Signer


def dumped(*options: str, **variables: str) -> dict:
    """Give the settings in force, as they are printed."""
    runner = CliRunner(env=variables)
    result = runner.invoke(cli, ["server", *options, "--dump-config"])
    assert result.exit_code == 0, result.output
    return tomllib.loads(result.output)


def test_flags_come_before_the_environment_before_the_file_before_what_is_usual(tmp_path):
    file = tmp_path / "perdure.toml"
    file.write_text('node-name = "file"\ncluster-name = "file"\nshutdown-timeout = "7s"\n')
    environment = {
        "PERDURE_NODE_NAME": "environment",
        "PERDURE_CLUSTER_NAME": "environment",
    }
    flag = ("--set", "node-name=flag")
    settings = dumped("-c", str(file), *flag, **environment)
    assert settings["node-name"] == "flag"
    assert settings["cluster-name"] == "environment"
    assert settings["shutdown-timeout"] == "7s"
    assert settings["base-dir"] == "perdure-data"
    assert dumped(*flag, PERDURE_CONFIG=str(file), **environment) == settings


@pytest.mark.parametrize("option", ["--base-dir", "--data-dir"])
def test_the_data_directory_has_the_name_it_has_elsewhere_too(option):
    assert dumped(option, "/srv/data")["base-dir"] == "/srv/data"


@pytest.mark.parametrize("options", [["--data-dir=~/data"], ["--set", "base-dir=~/data"]])
def test_a_tilde_that_the_shell_left_is_the_user_s_home(options):
    assert dumped(*options, HOME="/home/ada")["base-dir"] == "/home/ada/data"


@pytest.mark.parametrize("zero", ["0", '"0"', '"0s"'])
def test_an_inactivity_of_nothing_may_be_written_as_a_number(tmp_path, zero):
    file = tmp_path / "perdure.toml"
    file.write_text(f"[worker.invoker]\ninactivity-timeout = {zero}\n")
    assert dumped("-c", str(file))["worker"]["invoker"]["inactivity-timeout"] == "0s"


def test_what_is_printed_can_be_read_again(tmp_path):
    options = ("--set", "node-name=one", "--set", "worker.invoker.inactivity-timeout=0s")
    file = tmp_path / "perdure.toml"
    result = CliRunner().invoke(cli, ["server", *options, "--dump-config"])
    file.write_text(result.output)
    assert dumped("-c", str(file)) == tomllib.loads(result.output)


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (("--set", "node-nam=x"), {}, "did you mean node-name?"),
        (("--set", "node-name"), {}, "write KEY=VALUE"),
        ((), {"PERDURE_NODENAME": "x"}, "did you mean PERDURE_NODE_NAME?"),
        (("--set", "worker.invoker.abort-timeout=soon"), {}, "is not understood"),
    ],
)
def test_what_is_no_setting_is_refused(options, variables, said):
    runner = CliRunner(env=variables)
    result = runner.invoke(cli, ["server", *options, "--dump-config"])
    assert result.exit_code != 0
    told = result.output + str(result.exception)
    assert "[RT0002]" in told
    assert said in told


def test_a_server_says_who_it_is_and_ends_when_it_is_told_to(tmp_path):
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    keys = tmp_path / "keys.pem"
    keys.write_bytes(key)
    setting = f"worker.invoker.request-identity-private-key-pem-file={keys}"
    output = tmp_path / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "perdure", "server"),
                *("--ingress-port", "0", "--admin-port", "0", "--set", setting),
                *("--set", "node-name=one", "--set", "cluster-name=blue"),
            ],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: b"register services" in output.read_bytes(), "the greeting")
        said = output.read_text()
        assert "node one of cluster blue" in said
        assert f"services know this server by {Signer(key).public_key}" in said
        admin = re.search(r"admin (\S+)", said)[1]
        assert httpx.get(f"{admin}/cluster-health").json()["cluster_name"] == "blue"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
        assert Path(tmp_path / "perdure-data").is_dir()
    finally:
        process.kill()
        process.wait()
