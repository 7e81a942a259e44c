"""Types of applications and of those who serve them, under the official SDK's path."""

from perdure.sdk.app import App as RestateAppT
from perdure.sdk.asgi import Receive, Scope, Send
from perdure.sdk.aws_lambda import LambdaHandler as RestateLambdaHandler
from perdure.sdk.aws_lambda import LambdaResponse as RestateLambdaResponse

__all__ = [
    "Receive",
    "RestateAppT",
    "RestateLambdaHandler",
    "RestateLambdaResponse",
    "Scope",
    "Send",
]
