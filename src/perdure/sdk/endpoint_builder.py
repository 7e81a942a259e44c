"""An application put together in several steps: services from here and there, then options."""

from __future__ import annotations

from typing import Literal, Self

from perdure.sdk.app import App, app, check_services
from perdure.sdk.definitions import ServiceDefinition
from perdure.sdk.journal_codec import JournalValueCodec, JournalValueCodecProvider


class Endpoint:
    """Collects services and options; :meth:`app` makes the application of what is there by then.

    :func:`perdure.app` does the same in one call.
    """

    def __init__(self) -> None:
        #: The services by name.
        self.services: dict[str, ServiceDefinition] = {}
        #: How servers shall talk to the application; as the way they reach it allows, if absent.
        self.protocol: Literal["bidi", "request_response"] | None = None
        #: Public keys of the servers whose requests are answered.
        self.identity_keys: list[str] = []
        #: What transforms values on their way to journals.
        self.journal_value_codec: JournalValueCodec | JournalValueCodecProvider | None = None

    def bind(self, *services: ServiceDefinition) -> Self:
        """Add services.

        Raises:
            DefinitionError: two services have one name, or one is no service; none was added.
        """
        check_services((*self.services.values(), *services))
        self.services.update((service.name, service) for service in services)
        return self

    def streaming_protocol(self) -> Self:
        """Have servers talk over a stream that stays open."""
        self.protocol = "bidi"
        return self

    def request_response_protocol(self) -> Self:
        """Have servers talk with requests that get one response each."""
        self.protocol = "request_response"
        return self

    def identity_key(self, identity_key: str) -> Self:
        """Answer requests of a server by its public key, and of no others but those added so."""
        self.identity_keys.append(identity_key)
        return self

    def set_journal_value_codec(
        self, codec_or_provider: JournalValueCodec | JournalValueCodecProvider
    ) -> Self:
        """Transform values on their way to journals."""
        self.journal_value_codec = codec_or_provider
        return self

    def app(self) -> App:
        """Make the application.

        Raises:
            DefinitionError: an option is wrong.
        """
        return app(
            self.services.values(), self.protocol, self.identity_keys, self.journal_value_codec
        )
