"""What a codec of journal values keeps out of the data directory."""

from __future__ import annotations

import secrets

import msgspec
from open_servers import play, until

import perdure

CARD = "4000-0566-5566-5556"


class Masked(perdure.JournalValueCodec):
    """Combines a value with random bytes that stand before it."""

    def encode(self, buf: bytes) -> bytes:
        mask = secrets.token_bytes(len(buf))
        return mask + bytes(a ^ b for a, b in zip(mask, buf, strict=True))

    async def decode(self, buf: bytes) -> bytes:
        half = len(buf) // 2
        return bytes(a ^ b for a, b in zip(buf[:half], buf[half:], strict=True))


def wallet_app(codec: perdure.JournalValueCodec | None, seen: list[str]) -> perdure.App:
    wallet = perdure.VirtualObject("Wallet")

    @wallet.handler()
    async def keep(ctx: perdure.ObjectContext, number: str) -> str:
        ctx.set("card", number)
        checked = await ctx.run_typed("check", lambda: f"checked {number}")
        awakeable, told = ctx.awakeable(type_hint=str)
        seen.append(awakeable)
        return f"{checked}, {await told}, {await ctx.object_call(show, key='other', arg=number)}"

    @wallet.handler()
    async def show(ctx: perdure.ObjectContext, number: str) -> str:
        return f"showed {number}"

    return perdure.app([wallet], journal_value_codec=codec)


def test_no_value_reaches_the_disk_in_plain_text(tmp_path):
    codec = Masked()
    seen: list[str] = []

    async def scenario():
        app = wallet_app(codec, seen)
        async with perdure.embedded(app, data_dir=tmp_path) as runtime:
            async with perdure.create_client(runtime.ingress_url, None, codec) as client:
                handle = await client.generic_send("Wallet", "keep", msgspec.json.encode(CARD), "k")
            await until(lambda: seen)
        # It goes on with its journal, in another life of the server.
        async with (
            perdure.embedded(app, data_dir=tmp_path) as runtime,
            perdure.create_client(runtime.ingress_url, None, codec) as client,
        ):
            await client.resolve_awakeable(seen[0], f"told {CARD}")
            answer = await client.attach_invocation(handle.invocation_id, type_hint=str)
            assert answer == f"checked {CARD}, told {CARD}, showed {CARD}"
        assert len(set(seen)) == 1

    play(scenario())
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Wallet" in written
    assert CARD.encode() not in written
