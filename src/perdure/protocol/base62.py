"""Base62 text of 64- and 128-bit integers, as identifiers use it (service protocol 8.1).

The integer's big-endian bytes are read as a little-endian number, which is written most significant
digit first and padded with zeros to a fixed width.
"""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS: Final = tuple(high + low for high in ALPHABET for low in ALPHABET)
_PAIR: Final = 62**2
# Five digits fit into what the interpreter computes fast: few long divisions are left.
_GROUP_DIGITS: Final = 5
_GROUP: Final = 62**_GROUP_DIGITS

WIDTH_64: Final = 11
WIDTH_128: Final = 22


def encode(data: bytes, width: int) -> str:
    """Write ``data`` as exactly ``width`` digits."""
    number = int.from_bytes(data, "little")
    text = ""
    for _ in range(width // _GROUP_DIGITS):
        number, group = divmod(number, _GROUP)
        high = group // _PAIR
        text = f"{ALPHABET[high // _PAIR]}{_PAIRS[high % _PAIR]}{_PAIRS[group % _PAIR]}{text}"
    # Both widths leave less than a pair's worth of digits.
    return f"{_PAIRS[number]}{text}"[-width:]


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
