"""Names of functions on AWS Lambda: ARNs that say which version or alias is meant."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_COMPONENTS: Final = 8
_PARTITION: Final = re.compile(r"aws[a-z-]*")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z0-9]+)+")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,140}")
_QUALIFIER: Final = re.compile(r"\$LATEST|[a-zA-Z0-9_-]{1,128}")
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7e]{1,576}")


class ArnError(ValueError):
    """A text names no function, or no role; the message says what to write instead."""


class LambdaArn(NamedTuple):
    """A version of a function."""

    partition: str
    region: str
    account: str
    name: str
    #: A version, an alias, or ``$LATEST``.
    qualifier: str

    @property
    def function(self) -> str:
        """The function's ARN, without the version."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{self.name}"


def parse_lambda_arn(text: str) -> LambdaArn:
    """Read a qualified ARN of a function.

    Raises:
        ArnError: it is none.
    """
    parts = text.split(":")
    if len(parts) == _COMPONENTS - 1 and parts[5] == "function":
        raise ArnError(
            "A qualified ARN needs a version or alias suffix. If you want to use the unpublished "
            "version, provide $LATEST and make sure your shell doesn't treat it as a variable"
        )
    if len(parts) != _COMPONENTS:
        raise ArnError(f"A qualified ARN must have {_COMPONENTS} components delimited by `:`")
    arn, partition, service, region, account, kind, name, qualifier = parts
    if (arn, service, kind) != ("arn", "lambda", "function"):
        raise ArnError("It must begin like arn:aws:lambda:<region>:<account>:function:")
    for pattern, part, what in (
        (_PARTITION, partition, "partition"),
        (_REGION, region, "region"),
        (_ACCOUNT, account, "account"),
        (_NAME, name, "function's name"),
        (_QUALIFIER, qualifier, "version or alias"),
    ):
        if not pattern.fullmatch(part):
            raise ArnError(f"{part!r} is no {what}")
    return LambdaArn(partition, region, account, name, qualifier)


def check_role_arn(text: str) -> str:
    """Accept the ARN of a role.

    Raises:
        ArnError: it is none.
    """
    if not _ROLE.fullmatch(text):
        raise ArnError(f"{text!r} is no role; write arn:aws:iam::<account>:role/<name>")
    return text
