"""What the client gives and raises, under the official SDK's path."""

from perdure.sdk.client import InvocationOutput, RestateClient
from perdure.sdk.client_ingress import RestateClientSendHandle
from perdure.sdk.client_scoped import RestateScopedClient
from perdure.sdk.errors import HttpError

__all__ = [
    "HttpError",
    "InvocationOutput",
    "RestateClient",
    "RestateClientSendHandle",
    "RestateScopedClient",
]
