"""Base62 text of 64- and 128-bit integers, as identifiers use it (service protocol 8.1).

The integer's big-endian bytes are read as a little-endian number, which is written most significant
digit first and padded with zeros to a fixed width.
"""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
# Two digits at a time halves the number of long divisions.
_PAIRS: Final = tuple(high + low for high in ALPHABET for low in ALPHABET)

WIDTH_64: Final = 11
WIDTH_128: Final = 22


def encode(data: bytes, width: int) -> str:
    """Write ``data`` as exactly ``width`` digits."""
    number = int.from_bytes(data, "little")
    pairs = []
    for _ in range((width + 1) // 2):
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[-width:]


def decode(text: str, size: int) -> bytes:
    """Read ``size`` bytes back from their text.

    Raises:
        ValueError: a character outside the alphabet, or a number that does not fit.
    """
    number = 0
    for character in text:
        value = _VALUE.get(character)
        if value is None:
            raise ValueError(f"{character!r} is not a base62 digit")
        number = number * 62 + value
    try:
        return number.to_bytes(size, "little")
    except OverflowError:
        raise ValueError(f"the number is larger than {size} bytes") from None
