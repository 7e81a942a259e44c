"""Which version server and deployment speak."""

from __future__ import annotations

import pytest

from perdure.protocol.versions import negotiate


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (5, 7, 7),
        (5, 6, 6),
        (5, 5, 5),
        (1, 5, 5),
        (7, 99, 7),
        (1, 4, None),
        (8, 8, None),
        (7, 6, None),
    ],
)
def test_the_newest_common_version_is_spoken(lowest, highest, expected):
    assert negotiate(lowest, highest) == expected
