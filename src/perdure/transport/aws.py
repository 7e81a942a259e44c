"""Requests to AWS: where they go, and the signature that proves who sends them.

The package ``botocore`` knows both, from all the places where AWS keeps them: the environment, the
files in ``~/.aws``, the machine or container that this process runs on. It is loaded when the first
request is signed. What happens here may wait for the network, and belongs into a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

#: What AWS writes into its records about who assumed a role.
_SESSION_NAME: Final = "perdure"


class AwsError(Exception):
    """A request to AWS cannot be made; the message says why."""


class AwsOptions(Struct, frozen=True, kw_only=True):
    """Who asks."""

    #: Section of the files in ``~/.aws``; None for what AWS's own tools would take.
    profile: str | None = None
    #: Told with every role that is assumed, if its owner asks for it.
    external_id: str | None = None


class SignedRequest(NamedTuple):
    """A request as it can be sent."""

    url: str
    headers: dict[str, str]


class Aws:
    """Signs requests; may be used by several threads."""

    def __init__(self, options: AwsOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._session: Any = None
        self._credentials: dict[tuple[str | None, str], Any] = {}
        self._endpoints: dict[tuple[str, str], str] = {}

    def sign(
        self,
        service: str,
        region: str,
        role: str | None,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> SignedRequest:
        """Sign a POST.

        Args:
            service: such as ``lambda``.
            region: such as ``eu-central-1``.
            role: ARN of the role to assume for it, if any.
            path: with query, quoted.
            headers: to be signed.
            body: likewise.

        Raises:
            AwsError: there are no credentials, the role cannot be assumed, or the package
                ``botocore`` is missing.
        """
        exceptions = _loaded("botocore.exceptions")
        try:
            with self._lock:
                endpoint = self._endpoint(service, region)
                credentials = self._credentials_for(role, region)
            frozen = credentials.get_frozen_credentials()
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise AwsError(str(error)) from error
        request = _loaded("botocore.awsrequest").AWSRequest(
            method="POST", url=endpoint.rstrip("/") + path, headers=dict(headers), data=body
        )
        _loaded("botocore.auth").SigV4Auth(frozen, service, region).add_auth(request)
        return SignedRequest(request.url, dict(request.headers.items()))

    def ca_file(self) -> Path | None:
        """Give the certificates to trust in place of the system's, if AWS's settings name them."""
        with self._lock:
            bundle = self._opened().get_config_variable("ca_bundle")
        return Path(bundle) if bundle else None

    def _opened(self) -> Any:
        if self._session is None:
            self._session = _loaded("botocore.session").Session(profile=self._options.profile)
        return self._session

    def _endpoint(self, service: str, region: str) -> str:
        """Find out where a service is, or where the settings say that it is."""
        found = self._endpoints.get((service, region))
        if found is None:
            client = self._opened().create_client(service, region_name=region)
            found = self._endpoints[service, region] = str(client.meta.endpoint_url)
            client.close()
        return found

    def _credentials_for(self, role: str | None, region: str) -> Any:
        found = self._credentials.get((role, region))
        if found is None:
            found = self._opened().get_credentials()
            if found is None:
                raise AwsError(
                    "there are no credentials for AWS; set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY, or run where AWS provides them"
                )
            if role is not None:
                found = self._assumed(found, role, region)
            self._credentials[role, region] = found
        return found

    def _assumed(self, own: Any, role: str, region: str) -> Any:
        """Give credentials of a role, which renew themselves."""
        credentials = _loaded("botocore.credentials")
        extra = {"RoleSessionName": _SESSION_NAME}
        if self._options.external_id is not None:
            extra["ExternalId"] = self._options.external_id
        fetcher = credentials.AssumeRoleCredentialFetcher(
            client_creator=partial(self._opened().create_client, region_name=region),
            source_credentials=own,
            role_arn=role,
            extra_args=extra,
        )
        return credentials.DeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method="assume-role"
        )


def _loaded(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise AwsError(
            'functions on AWS Lambda need botocore: pip install "perdure[aws]"'
        ) from error
