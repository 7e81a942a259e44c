"""Names of functions and roles."""

from __future__ import annotations

import pytest

from perdure.core.model.lambda_arns import ArnError, LambdaArn, check_role_arn, parse_lambda_arn

SHOP = "arn:aws:lambda:eu-central-1:123456789012:function:shop"


@pytest.mark.parametrize("qualifier", ["1", "live", "$LATEST"])
def test_a_function_with_its_version(qualifier):
    arn = parse_lambda_arn(f"{SHOP}:{qualifier}")
    assert arn == LambdaArn("aws", "eu-central-1", "123456789012", "shop", qualifier)
    assert arn.function == SHOP


def test_regions_of_other_partitions():
    assert parse_lambda_arn(f"{SHOP}:1".replace("aws:", "aws-us-gov:")).partition == "aws-us-gov"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foo", "8 components"),
        (f"{SHOP}:1:2", "8 components"),
        (SHOP, "version or alias suffix"),
        (f"{SHOP}:1".replace("lambda", "s3"), "begin like arn:aws:lambda"),
        (f"{SHOP}:1".replace("eu-central-1", "moon"), "'moon' is no region"),
        (f"{SHOP}:1".replace("123456789012", "12"), "'12' is no account"),
        (f"{SHOP}/x:1", "is no function's name"),
        (f"{SHOP}:", "'' is no version or alias"),
        (f"{SHOP}:1".replace("aws", "gcp"), "'gcp' is no partition"),
    ],
)
def test_what_names_no_function(text, said):
    with pytest.raises(ArnError, match=said):
        parse_lambda_arn(text)


def test_roles():
    role = "arn:aws:iam::123456789012:role/path/caller"
    assert check_role_arn(role) == role
    for text in ("caller", "arn:aws:iam::12:role/caller", "arn:aws:iam::123456789012:user/me"):
        with pytest.raises(ArnError, match="write arn:aws:iam"):
            check_role_arn(text)
