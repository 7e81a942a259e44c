"""What clients do: one coroutine a kind of scenario; who gets no answer asks again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from perdure.core.model.identities import is_drawn
from perdure.core.model.records import Invoke
from perdure.core.model.targets import Target
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import RefusalError
from perdure.engine.reception import Reception
from perdure.engine.waiters import Answer
from perdure.protocol.ids import (
    InvocationId,
    idempotent_id,
    invocation_text,
    parse_awakeable_id,
    workflow_run_id,
)
from perdure.protocol.messages import Failure, Input, Value
from simworld import door
from simworld.history import History
from simworld.network import LostError, Network
from simworld.operators import Operator
from simworld.plan import Scenario
from simworld.programs import judge
from simworld.violations import Violation

#: Failures that cancelling and killing may leave behind.
STOPPED = frozenset({"canceled", "cancelled", "killed"})


def request(
    requests: Reception,
    service: str,
    handler: str,
    argument: Any,
    *,
    key: str = "",
    idempotency_key: str | None = None,
    delay_ms: int | None = None,
) -> Invoke:
    """Make the record of a request, as the ingress does."""
    schema = requests.registry.handler(service, handler)
    assert schema is not None
    target = Target(service, handler, schema.kind, key)
    return Invoke(
        requests.draw_id(target, idempotency_key),
        target,
        Input(Value(json.dumps(argument).encode())),
        schema.retention_for(idempotent=idempotency_key is not None),
        idempotency_key,
        None if delay_ms is None else requests.now_ms() + delay_ms,
        drawn=is_drawn(schema.kind, idempotency_key),
    )


def read(answer: Answer) -> Any:
    """Read a result, or the failure as it is."""
    if isinstance(answer.outcome, Failure):
        return answer.outcome
    return json.loads(answer.outcome.content)


class Clients:
    """All clients of one run."""

    def __init__(
        self,
        network: Network,
        history: History,
        anyone: Callable[[int], InvocationId | None],
    ) -> None:
        self._network = network
        self._operator = Operator(network)
        self._history = history
        self._anyone = anyone
        self.unfinished = 0

    async def act(self, scenario: Scenario) -> None:
        """Wait for a scenario's moment, and play it to its end."""
        await asyncio.sleep(scenario.start_s)
        self._history.note("client", scenario.number, scenario.kind)
        try:
            await getattr(self, f"play_{scenario.kind}")(scenario)
        except Violation as violation:
            self._history.accuse(violation.promise, f"scenario {scenario.number}: {violation.what}")
        except Exception as error:  # noqa: BLE001 - or nobody would ever hear of it
            self._history.accuse("clients understand", f"scenario {scenario.number}: {error!r}")
        self._history.answered += 1
        self.unfinished -= 1

    async def complete(self, awakeable_id: str, name: str) -> None:
        """Complete an awakeable that a handler has published; it may do so again."""
        invocation_id, index = parse_awakeable_id(awakeable_id)
        value = f"{name}!{len(self._history.sent[name])}"
        self._history.sent[name].add(value)
        content = Value(json.dumps(value).encode())
        await self._network.insist(
            lambda requests: requests.signal(invocation_id, index, content), leader=True
        )

    # -- Scenarios

    async def play_call(self, scenario: Scenario, service: str = "Player", key: str = "") -> Any:
        """Call with an idempotency key, several times at once and once more afterwards."""
        calls = [self._call(scenario, service, key) for _ in range(scenario.copies)]
        answers = [*await asyncio.gather(*calls), await self._call(scenario, service, key)]
        self._check_same(scenario, answers)
        self._judge(scenario, answers[0], self._id(scenario, service, key))
        return answers[0]

    async def play_desk(self, scenario: Scenario) -> None:
        await self.play_call(scenario, "Desk", scenario.key)

    async def play_fragile(self, scenario: Scenario) -> None:
        await self.play_call(scenario, "Fragile")

    async def play_hasty(self, scenario: Scenario) -> None:
        await self.play_call(scenario, "Hasty")

    async def play_drop(self, scenario: Scenario) -> None:
        """Call without a key, and live with not knowing."""
        try:
            answer = await self._network.ask(
                lambda requests: requests.call(
                    request(requests, "Player", "play", scenario.program)
                )
            )
        except (LostError, RefusalError):
            return
        self._judge(scenario, read(answer), None)

    async def play_append(self, scenario: Scenario) -> None:
        """Write lines to a ledger, one after the other."""
        for copy in range(scenario.copies):
            await self._append(scenario, f"client {scenario.number}/{copy}", 0)

    async def play_crowd(self, scenario: Scenario) -> None:
        """Write slow lines all at once, and take some of them back."""
        lines = [f"crowd {scenario.number}/{copy}" for copy in range(2 + scenario.copies)]
        for line in lines:
            self._history.issue(scenario.key, line)
        tasks = [asyncio.create_task(self._crowd(scenario, line)) for line in lines]
        await asyncio.sleep(scenario.after_s)
        stop = "cancel" if scenario.number % 2 else "kill"
        for line in lines[1:]:
            await self._operator.change(stop, idempotent_id("Ledger", "append", line, scenario.key))
        await asyncio.gather(*tasks)

    async def play_burst(self, scenario: Scenario) -> None:
        """Write many lines, all at once: the line before the ledger grows long."""
        lines = [f"burst {scenario.number}/{copy}" for copy in range(15 * scenario.copies)]
        await asyncio.gather(*[self._append(scenario, line, 0) for line in lines])

    async def play_read(self, scenario: Scenario) -> None:
        """Read a ledger."""
        for _ in range(scenario.copies):
            asked = self._history.now_s
            answer = await self._network.insist(
                lambda requests: requests.call(
                    request(requests, "Ledger", "lines", None, key=scenario.key)
                )
            )
            read_at = self._history.reads[scenario.key]
            read_at.append((read(answer), asked, self._history.now_s))

    async def play_flow(self, scenario: Scenario) -> None:
        """Run a workflow that waits for the answer of one of several clients."""
        name = f"flow {scenario.number}"
        run_id = workflow_run_id("Flow", name)
        await self._network.insist(
            lambda requests: requests.submit(
                request(requests, "Flow", "run", scenario.program, key=name)
            )
        )
        await asyncio.sleep(scenario.after_s)
        told = [f"yes {copy}" for copy in range(scenario.copies)]
        taken = await asyncio.gather(*[self._answer_flow(name, text) for text in told])
        answer = read(await self._attach(run_id))
        if taken.count(True) != 1:
            raise Violation("promise", f"{name} was completed {taken.count(True)} times")
        if isinstance(answer, Failure):
            raise Violation("result", f"{name} failed: {answer.message}")
        who, results, said = answer
        if said != told[taken.index(True)]:
            raise Violation("promise", f"{name} heard {said!r} and not {taken}")
        judge(scenario.program, [who, results], self._history)

    async def play_cancel(self, scenario: Scenario) -> None:
        await self._interfere(scenario, "cancel", relaxed=True)

    async def play_kill(self, scenario: Scenario) -> None:
        await self._interfere(scenario, "kill", relaxed=True)

    async def play_pause(self, scenario: Scenario) -> None:
        """Pause what runs; whoever looks after paused invocations resumes it."""
        await self._interfere(scenario, "pause", relaxed=False)

    async def play_meddle(self, scenario: Scenario) -> None:
        """Pause and resume whoever is there, as it comes: nobody may notice."""
        for copy in range(3 * scenario.copies):
            await asyncio.sleep(scenario.after_s)
            invocation_id = self._anyone(scenario.number + copy)
            if invocation_id is not None:
                await self._operator.change("pause" if copy % 3 else "resume", invocation_id)

    async def play_restart(self, scenario: Scenario) -> None:
        """Run what has ended once more, under a new id."""
        await self.play_call(scenario)
        verdict, new_id = await self._operator.restart(self._id(scenario, "Player", ""))
        if verdict is not Verdict.DONE or new_id is None:
            raise Violation("verdict", f"restarting gave {verdict}")
        self._judge(scenario, read(await self._attach(new_id)), new_id)

    async def play_purge(self, scenario: Scenario) -> None:
        """Forget what has ended; the key is free then."""
        await self.play_call(scenario)
        invocation_id = self._id(scenario, "Player", "")
        verdict = await self._operator.change("purge", invocation_id)
        if verdict not in (Verdict.DONE, Verdict.NOT_FOUND):
            raise Violation("verdict", f"purging gave {verdict}")
        # An answer that was lost leaves a request behind that may find the key free again.
        found = await self._network.insist(
            lambda requests: requests.find(invocation_id), leader=True
        )
        if found is not None:
            raise Violation("purge", f"{invocation_text(invocation_id)} is still known")

    async def play_purge_journal(self, scenario: Scenario) -> None:
        """Forget how something came about; what came of it stays."""
        answer = await self.play_call(scenario)
        invocation_id = self._id(scenario, "Player", "")
        verdict = await self._operator.change("purge-journal", invocation_id)
        if verdict not in (Verdict.DONE, Verdict.NOT_FOUND):
            raise Violation("verdict", f"purging the journal gave {verdict}")
        again = await self._call(scenario, "Player", "")
        self._check_same(scenario, [answer, again])

    async def play_edit(self, scenario: Scenario) -> None:
        """Replace the state of an object from outside, while handlers look at it."""
        shelf = f"shelf {scenario.number}"
        looks = [asyncio.create_task(self._look(shelf, scenario)) for _ in range(scenario.copies)]
        labels = [f"label {number}" for number in range(1 + scenario.copies)]
        losses = self._network.losses
        for label in labels:
            await self._edit(shelf, label, None)
            await asyncio.sleep(scenario.after_s)
        await self._edit(shelf, "never", "0123456789abcdef")
        seen = [await look for look in looks]
        last = await self._look(shelf, scenario)
        late = self._network.several and self._network.losses > losses
        if not (late or last == labels[-1]) or not {*seen, last} <= {"", *labels}:
            raise Violation("edits", f"{shelf} showed {seen} and then {last!r} after {labels}")

    async def play_later(self, scenario: Scenario) -> None:
        """Write a line not before a time."""
        line = f"later {scenario.number}"
        delay_ms = int(scenario.after_s * 1000)
        self._history.issue(scenario.key, line)

        async def submit(requests: Reception) -> InvocationId:
            body = request(
                requests,
                "Ledger",
                "append",
                [line, 0, False],
                key=scenario.key,
                idempotency_key=line,
                delay_ms=delay_ms,
            )
            assert body.execution_time is not None
            self._history.begin_wait(line, body.execution_time)
            await requests.submit(body)
            return body.invocation_id

        invocation_id = await self._network.insist(submit)
        answer = read(await self._attach(invocation_id))
        self._history.placed(scenario.key, line, answer)

    # -- Parts of them

    def _id(self, scenario: Scenario, service: str, key: str) -> InvocationId:
        return idempotent_id(service, "play", f"key {scenario.number}", key or None)

    async def _call(self, scenario: Scenario, service: str, key: str) -> Any:
        once = f"key {scenario.number}"
        return await self._once(service, key, "play", scenario.program, once)

    async def _once(self, service: str, key: str, handler: str, argument: Any, once: str) -> Any:
        """Call under an idempotency key, at the door or past it."""

        async def ask(requests: Reception) -> Answer:
            if self._network.takes_the_door():
                path = (service, key, handler) if key else (service, handler)
                return await door.call(requests, path, json.dumps(argument).encode(), once)
            body = request(requests, service, handler, argument, key=key, idempotency_key=once)
            return await requests.call(body)

        return read(await self._network.insist(ask))

    def _check_same(self, scenario: Scenario, answers: list[Any]) -> None:
        if any(answer != answers[0] for answer in answers):
            raise Violation("idempotency", f"scenario {scenario.number} got {answers!r}")

    def _judge(self, scenario: Scenario, answer: Any, expected: InvocationId | None) -> None:
        if isinstance(answer, Failure):
            raise Violation("result", f"scenario {scenario.number} failed: {answer!r}")
        if expected is not None and answer[0] != invocation_text(expected):
            raise Violation("result", f"scenario {scenario.number} was run by {answer[0]}")
        judge(scenario.program, answer, self._history)

    async def _append(self, scenario: Scenario, line: str, pause_ms: int) -> Any:
        self._history.issue(scenario.key, line)
        asked = self._history.now_s
        answer = await self._once("Ledger", scenario.key, "append", [line, pause_ms, False], line)
        if isinstance(answer, Failure):
            return answer
        self._history.placed(scenario.key, line, answer)
        self._history.writes[scenario.key].append((line, asked, self._history.now_s))
        return answer

    async def _crowd(self, scenario: Scenario, line: str) -> None:
        answer = await self._append(scenario, line, 40)
        if isinstance(answer, Failure) and answer.message not in STOPPED:
            raise Violation("result", f"{line} failed: {answer.message}")

    async def _edit(self, shelf: str, label: str, version: str | None) -> None:
        rows = {name: json.dumps(label).encode() for name in (b"left", b"right")}
        verdict = await self._operator.edit("Shelf", shelf, rows, version)
        allowed = {Verdict.DONE, Verdict.ACCEPTED}
        if version is not None:
            allowed = {Verdict.STATE_CHANGED, Verdict.ACCEPTED}
        if verdict not in allowed:
            raise Violation("verdict", f"editing gave {verdict}")

    async def _look(self, shelf: str, scenario: Scenario) -> Any:
        pause_ms = int(scenario.after_s * 1000)
        answer = await self._network.insist(
            lambda requests: requests.call(request(requests, "Shelf", "look", pause_ms, key=shelf))
        )
        return read(answer)

    async def _answer_flow(self, name: str, text: str) -> bool:
        answer = await self._network.insist(
            lambda requests: requests.call(
                request(requests, "Flow", "answer", text, key=name, idempotency_key=text)
            )
        )
        return bool(read(answer))

    async def _attach(self, invocation_id: InvocationId) -> Answer:
        answer = await self._network.insist(
            lambda requests: requests.attach(invocation_id), leader=True
        )
        if answer is None:
            raise Violation("lost invocation", f"{invocation_text(invocation_id)} is unknown")
        return answer

    async def _interfere(
        self,
        scenario: Scenario,
        verb: str,
        *,
        relaxed: bool,
    ) -> None:
        """Call, and meanwhile do something to the invocation."""
        call = asyncio.create_task(self._call(scenario, "Player", ""))
        await asyncio.sleep(scenario.after_s)
        invocation_id = self._id(scenario, "Player", "")
        await self._operator.change(verb, invocation_id)
        answer = await call
        stopped = isinstance(answer, Failure) and answer.message in STOPPED
        if not (relaxed and stopped):
            self._judge(scenario, answer, invocation_id)
