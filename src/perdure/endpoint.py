"""Applications, under the official SDK's path."""

from perdure.sdk.app import App, Lifespan, app

__all__ = ["App", "Lifespan", "app"]
