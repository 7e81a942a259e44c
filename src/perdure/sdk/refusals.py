"""Telling code of a handler that its attempt is over, for as long as that is of any use.

What tells it can be caught by a bare ``except:``, and in a loop that tries again for good. Such
code would neither end nor let others have their turn. So in the end it is told nothing more: what
it begins is accepted, nobody hears of it, and it waits.
"""

from __future__ import annotations

import logging
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from perdure.protocol.messages import Input, Value
from perdure.sdk.errors import ContextMisuseError
from perdure.sdk.machine.states import Ending
from perdure.sdk.machine.syscalls import Machine

#: So often one attempt is told. Each of its tasks takes one refusal, or a few as it cleans up.
REFUSALS_MAX: Final = 10_000

_logger = logging.getLogger(__name__)


class Refusals(Struct, eq=False):
    """What code of one attempt is told once that is over."""

    _machine: Machine
    _given: int = 0

    @property
    def in_vain(self) -> bool:
        """Whether nobody listens."""
        return self._given > REFUSALS_MAX

    def next(self) -> BaseException | None:
        """Give the error that tells it; None to who does not listen."""
        self._given += 1
        if self.in_vain:
            if self._given == REFUSALS_MAX + 1:
                _logger.error(
                    "%s goes on after its attempt has ended, and is left where it waits: write "
                    "`except Exception:` in the place of `except:` or `except BaseException:`",
                    self._machine.start.debug_id,
                )
            return None
        if self._machine.ending is Ending.ENDED:
            return ContextMisuseError(
                "The context is used after its handler has ended: await all tasks that the "
                "handler starts before it returns, as `async with asyncio.TaskGroup()` does"
            )
        return self._machine.over()

    def answer(self) -> Machine:
        """Refuse a call of the handler; if that is in vain, give a machine that nobody hears.

        Raises:
            ContextMisuseError: the handler has ended.
            SdkInternalBaseException: its attempt has.
        """
        refusal = self.next()
        if refusal is not None:
            raise refusal
        unheard = Machine(self._machine.version)
        unheard.receive([replace(self._machine.start, known_entries=1), Input(Value(b""))])
        unheard.input()
        return unheard
