"""Applications, under the official SDK's path."""

from perdure.sdk.app import App, app
from perdure.sdk.endpoint_builder import Endpoint
from perdure.sdk.host import Lifespan

__all__ = ["App", "Endpoint", "Lifespan", "app"]
