"""Applications, under the official SDK's path."""

from perdure.sdk.app import App, app
from perdure.sdk.host import Lifespan

__all__ = ["App", "Lifespan", "app"]
