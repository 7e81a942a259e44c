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
_FOUR: Final = 62**4

WIDTH_64: Final = 11
WIDTH_128: Final = 22


def encode_64(data: bytes) -> str:
    """Write eight bytes."""
    number = int.from_bytes(data, "little")
    text = ""
    for _ in range(WIDTH_64 // 2):
        number, pair = divmod(number, _PAIR)
        text = _PAIRS[pair] + text
    return ALPHABET[number] + text


def encode_128(data: bytes) -> str:
    """Write sixteen bytes; done for every request, so without a loop."""
    number = int.from_bytes(data, "little")
    # Divisors that are one digit for the interpreter: it divides long numbers by them quickly.
    number, five = divmod(number, _FOUR)
    number, four = divmod(number, _FOUR)
    number, three = divmod(number, _FOUR)
    number, two = divmod(number, _FOUR)
    number, one = divmod(number, _FOUR)
    return (
        f"{_PAIRS[number]}{_PAIRS[one // _PAIR]}{_PAIRS[one % _PAIR]}"
        f"{_PAIRS[two // _PAIR]}{_PAIRS[two % _PAIR]}{_PAIRS[three // _PAIR]}"
        f"{_PAIRS[three % _PAIR]}{_PAIRS[four // _PAIR]}{_PAIRS[four % _PAIR]}"
        f"{_PAIRS[five // _PAIR]}{_PAIRS[five % _PAIR]}"
    )


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
