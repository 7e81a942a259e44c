"""Services over TLS and over IPv6: what is agreed to speak, and whom this server trusts."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest
from asgi_services import greeting_app, hosted
from certificates import certificates
from remote_world import eventually, play, serving

from perdure.server.settings import SettingsError


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


async def version_of(world, deployment: str) -> str:
    return (await world.ask("GET", f"/deployments/{deployment}")).json()["http_version"]


@pytest.mark.parametrize(
    ("protocols", "use_http_11", "spoken"),
    [
        (("h2", "http/1.1"), False, "HTTP/2.0"),
        (("http/1.1",), False, "HTTP/1.1"),
        (("h2", "http/1.1"), True, "HTTP/1.1"),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_tls_agrees_on_the_version_of_http(tmp_path, host, protocols, use_http_11, spoken):
    async def scenario():
        tls = certificates(tmp_path, "127.0.0.1", "::1")
        async with (
            serving(ca_file=tls.ca) as world,
            hosted(greeting_app(), host, tls, protocols) as authority,
        ):
            deployment = await world.registered(f"https://{authority}", use_http_11=use_http_11)
            assert await version_of(world, deployment) == spoken
            assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"

    play(scenario())


@needs_ipv6
@pytest.mark.parametrize("use_http_11", [False, True])
def test_services_without_tls_over_ipv6(use_http_11):
    async def scenario():
        async with serving() as world, hosted(greeting_app(), "::1") as authority:
            await world.registered(f"http://{authority}", use_http_11=use_http_11)
            assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"

    play(scenario())


def test_a_service_whose_certificate_nobody_vouches_for_is_not_trusted(tmp_path):
    async def scenario():
        tls = certificates(tmp_path, "127.0.0.1")
        async with serving() as world, hosted(greeting_app(), tls=tls) as authority:
            refused = await world.register(f"https://{authority}")
            assert refused.status_code == 500
            assert refused.json()["restate_code"] == "META0003"
            assert "certificate verify failed" in refused.json()["message"]

    play(scenario())


def test_a_certificate_for_another_name_is_not_trusted(tmp_path):
    async def scenario():
        tls = certificates(tmp_path, "shop.example")
        async with serving(ca_file=tls.ca) as world, hosted(greeting_app(), tls=tls) as authority:
            refused = await world.register(f"https://{authority}")
            assert refused.json()["restate_code"] == "META0003"
            assert "IP address mismatch" in refused.json()["message"]

    play(scenario())


def test_a_certificate_that_has_ended_is_not_trusted(tmp_path):
    async def scenario():
        ended = datetime.now(UTC) - timedelta(hours=1)
        tls = certificates(tmp_path, "127.0.0.1", until=ended)
        async with serving(ca_file=tls.ca) as world, hosted(greeting_app(), tls=tls) as authority:
            refused = await world.register(f"https://{authority}")
            assert refused.json()["restate_code"] == "META0003"
            assert "certificate has expired" in refused.json()["message"]

    play(scenario())


def test_a_service_without_tls_is_told_from_one_with(tmp_path):
    async def scenario():
        tls = certificates(tmp_path, "127.0.0.1")
        async with serving(ca_file=tls.ca) as world, hosted(greeting_app()) as authority:
            refused = await world.register(f"https://{authority}")
            assert refused.json()["restate_code"] == "META0003"

    play(scenario())


def test_an_invocation_outlives_the_certificate_of_its_service(tmp_path):
    """Attempts fail while the service has a certificate of somebody else's, and go on after it."""

    async def scenario():
        good = certificates(tmp_path / "good", "127.0.0.1")
        bad = certificates(tmp_path / "bad", "127.0.0.1")
        async with serving(ca_file=good.ca) as world:
            async with hosted(greeting_app(), tls=good) as authority:
                await world.registered(f"https://{authority}")
            port = int(authority.rpartition(":")[2])
            async with hosted(greeting_app(), tls=bad, port=port):
                invocation = await world.send("/Tools/greet", "Ada")
                shown = await eventually(
                    lambda: world.shown(invocation), lambda each: "last_failure" in each
                )
                assert shown["last_failure_error_code"] == "RT0010"
            async with hosted(greeting_app(), tls=good, port=port):
                assert (await world.result(invocation)).json() == "Hello Ada"

    play(scenario())


def test_a_file_of_certificates_that_is_none_is_told_at_the_start(tmp_path):
    async def scenario():
        nonsense = tmp_path / "ca.pem"
        nonsense.write_text("nonsense")
        async with serving(ca_file=nonsense):
            pass

    with pytest.raises(SettingsError, match=r"worker\.invoker\.ca-file: .*ca\.pem"):
        play(scenario())
