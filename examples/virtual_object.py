"""Virtual objects: state with a key, changed by one request at a time.

Members of a club have a role and features that can be switched on. `assign` and `switch` are
exclusive: two requests for the same member are carried out one after the other, in order of
arrival, so that reading, deciding and writing needs no lock. Requests for other members run
meanwhile. `profile` is shared: it reads at any time, beside whatever is running.

    curl localhost:8080/Member/ada/assign --json '"trainer"'
    curl localhost:8080/Member/ada/switch --json '{"feature": "courses", "on": true}'
    curl localhost:8080/Member/ada/profile

State is durable: stop the process, start it, and ask for the profile again.

    curl localhost:8080/Member/ada/leave -X POST
"""

from dataclasses import dataclass, field

import perdure

member = perdure.VirtualObject("Member", description="What a club knows about its members.")

#: Features that only some roles may have.
RESERVED = {"courses": {"trainer"}, "accounts": {"treasurer"}}


@dataclass
class Switch:
    """A feature, and what becomes of it."""

    feature: str
    on: bool


@dataclass
class Profile:
    """What is known about a member."""

    name: str
    role: str = "guest"
    features: list[str] = field(default_factory=list)


@member.handler()
async def assign(ctx: perdure.ObjectContext, role: str) -> Profile:
    """Give a role, and take away the features that do not go with it."""
    profile = await _profile(ctx)
    profile.role = role
    profile.features = [name for name in profile.features if _allowed(role, name)]
    ctx.set("role", profile.role)
    ctx.set("features", profile.features)
    return profile


@member.handler()
async def switch(ctx: perdure.ObjectContext, request: Switch) -> Profile:
    """Switch a feature on or off."""
    profile = await _profile(ctx)
    if request.on and not _allowed(profile.role, request.feature):
        raise perdure.TerminalError(
            f"{profile.role}s cannot have {request.feature}", status_code=403
        )
    features = {*profile.features, request.feature}
    if not request.on:
        features.discard(request.feature)
    profile.features = sorted(features)
    ctx.set("features", profile.features)
    return profile


@member.handler(kind="shared")
async def profile(ctx: perdure.ObjectSharedContext) -> Profile:
    """Read what is known."""
    return await _profile(ctx)


@member.handler()
async def leave(ctx: perdure.ObjectContext) -> None:
    """Forget the member."""
    ctx.clear_all()


async def _profile(ctx: perdure.ObjectContext | perdure.ObjectSharedContext) -> Profile:
    role = await ctx.get("role", type_hint=str) or "guest"
    features = await ctx.get("features", type_hint=list[str]) or []
    return Profile(ctx.key(), role, features)


def _allowed(role: str, feature: str) -> bool:
    return role in RESERVED.get(feature, {role})


app = perdure.app([member])
