import msgspec
import pytest

from perdure.protocol.manifest import (
    HandlerManifest,
    Manifest,
    OnMaxAttempts,
    ProtocolMode,
    ServiceManifest,
    ServiceType,
)
from perdure.sdk.endpoint_discovery import (
    InexpressibleError,
    document,
    manifest_version,
    media_type,
)

ALL = ", ".join(media_type(version) for version in (1, 2, 3, 4))


def manifest(**options) -> Manifest:
    return Manifest(
        min_protocol_version=5,
        max_protocol_version=7,
        protocol_mode=ProtocolMode.BIDI_STREAM,
        services=(
            ServiceManifest(
                name="S",
                ty=ServiceType.SERVICE,
                handlers=(HandlerManifest(name="run", **options),),
                documentation="What it does",
                metadata={"a": "b"},
            ),
        ),
        lambda_compression="zstd",
    )


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (ALL, 4),
        (media_type(2), 2),
        (f"{media_type(1)}, {media_type(3)}", 3),
        (f"{media_type(4)}, {media_type(5)}", 4),
        (media_type(5), None),
        ("text/html", None),
        ("*/*", 4),
        ("application/*", 4),
        (None, 4),
    ],
)
def test_the_newest_common_version_is_chosen(accept, version):
    assert manifest_version(accept) == version


def test_version_4_says_everything():
    written = msgspec.json.decode(document(manifest(enable_lazy_state=True), 4))
    assert written == {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "lambdaCompression": "zstd",
        "services": [
            {
                "name": "S",
                "ty": "SERVICE",
                "documentation": "What it does",
                "metadata": {"a": "b"},
                "handlers": [{"name": "run", "enableLazyState": True}],
            }
        ],
    }


def test_what_only_informs_is_left_out():
    written = msgspec.json.decode(document(manifest(), 1))
    assert written == {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": [{"name": "S", "ty": "SERVICE", "handlers": [{"name": "run"}]}],
    }
    assert "documentation" in msgspec.json.decode(document(manifest(), 2))["services"][0]


@pytest.mark.parametrize(
    ("options", "since"),
    [
        ({"inactivity_timeout": 0}, 3),
        ({"workflow_completion_retention": 1}, 3),
        ({"retry_policy_on_max_attempts": OnMaxAttempts.KILL}, 4),
    ],
)
def test_what_changes_behaviour_is_not(options, since):
    (name,) = options
    with pytest.raises(InexpressibleError, match=f"'{name}' of S/run needs version {since}"):
        document(manifest(**options), since - 1)
    document(manifest(**options), since)


def test_every_field_of_a_manifest_has_a_version():
    from perdure.protocol.manifest import Options
    from perdure.sdk import endpoint_discovery as module

    known = module._SINCE.keys() | module._INFORMS_SINCE.keys()
    assert set(Options.__struct_fields__) <= known
