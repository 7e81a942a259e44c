"""``perdure invocations``."""

from __future__ import annotations

from typing import Final

from perdure.cli.groups import CommandGroup, Entry

_HERE: Final = "perdure.cli.commands"

invocations = CommandGroup(
    "invocations",
    {
        "list": Entry(
            f"{_HERE}.invocation_list:list_invocations",
            "List invocations, those that have not ended unless asked otherwise.",
            ("ls",),
        ),
        "describe": Entry(
            f"{_HERE}.invocation_details:describe",
            "Show one invocation with its journal.",
            ("get",),
        ),
        "journal": Entry(
            f"{_HERE}.invocation_details:journal",
            "Show what an invocation did, when, and how long each step took.",
            ("logs",),
        ),
        "tail": Entry(
            f"{_HERE}.invocation_tail:tail",
            "Follow invocations as they change, or the journal of one.",
        ),
        "cancel": Entry(
            f"{_HERE}.invocation_changes:cancel",
            "Cancel invocations: their handlers get to clean up.",
        ),
        "kill": Entry(
            f"{_HERE}.invocation_changes:kill",
            "End invocations at once, without a word to their handlers.",
        ),
        "pause": Entry(
            f"{_HERE}.invocation_changes:pause",
            "Pause invocations until they are resumed.",
        ),
        "resume": Entry(
            f"{_HERE}.invocation_changes:resume",
            "Resume paused invocations, or retry now those that back off.",
        ),
        "restart-as-new": Entry(
            f"{_HERE}.invocation_changes:restart_as_new",
            "Run completed invocations again, under new ids.",
            ("restart",),
        ),
        "purge": Entry(
            f"{_HERE}.invocation_changes:purge",
            "Forget completed invocations.",
            ("rm",),
        ),
    },
    help="Show and change invocations.",
)
