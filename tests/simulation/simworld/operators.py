"""Those who change what runs: through the admin API, or past it."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.core.model.verdicts import Verdict
from perdure.engine.reception import Reception
from perdure.protocol.ids import InvocationId
from simworld import backdoor
from simworld.network import Network


class Operator:
    """Asks for changes, again and again until there is an answer."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def change(self, verb: str, invocation_id: InvocationId) -> Verdict:
        """Cancel, kill, pause, resume or purge an invocation."""

        async def ask(requests: Reception) -> Verdict:
            if self._network.takes_the_door():
                return await backdoor.change(requests, verb, invocation_id)
            if verb == "resume":
                return await requests.resume(invocation_id, None)
            method = getattr(requests, verb.replace("-", "_"))
            verdict: Verdict = await method(invocation_id)
            return verdict

        return await self._network.insist(ask)

    async def restart(self, invocation_id: InvocationId) -> tuple[Verdict, InvocationId | None]:
        """Run an ended invocation once more, under a new id."""

        async def ask(requests: Reception) -> tuple[Verdict, InvocationId | None]:
            if self._network.takes_the_door():
                return await backdoor.restart(requests, invocation_id)
            return await requests.restart_as_new(invocation_id, 0, None)

        return await self._network.insist(ask)

    async def edit(
        self, service: str, key: str, state: Mapping[bytes, bytes], version: str | None
    ) -> Verdict:
        """Replace the state of an object."""

        async def ask(requests: Reception) -> Verdict:
            if self._network.takes_the_door():
                return await backdoor.edit(requests, service, key, state, version)
            return await requests.mutate_state(service, key, state, version)

        return await self._network.insist(ask)
