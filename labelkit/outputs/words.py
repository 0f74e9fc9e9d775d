"""Words that others wrote, made fit to be shown: names of files and classes can hold anything."""

from __future__ import annotations

import re

_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_PICTURES = 0x2400  # the Unicode block of pictures of the control characters


def visible(said: str) -> str:
    """Text of one line, in which nothing moves the cursor or turns the direction of reading.

    Control characters become their pictures (``␊``), all else the sign for what cannot be shown.
    """
    return _UNSHOWN.sub(lambda match: _picture(match[0]), said)


def _picture(character: str) -> str:
    if character == "\x7f":
        return "\u2421"
    return chr(_PICTURES + ord(character)) if character < " " else "\ufffd"
