"""Serving an application on AWS Lambda."""

from perdure.sdk.aws_lambda import LambdaHandler, LambdaResponse, wrap_asgi_as_lambda_handler

__all__ = ["LambdaHandler", "LambdaResponse", "wrap_asgi_as_lambda_handler"]
