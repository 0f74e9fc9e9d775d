"""Keys that stand twice in one JSON object. Decoders keep the last of the two and say nothing.

Every key has a colon after it, and so have some texts. Counting colons tells objects without repeated keys
from the few that must be parsed closely.
"""

from __future__ import annotations

import msgspec

_PIECE = 1 << 20  # bytes that are copied at a time
_raws_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def colons(data: memoryview, start: int, stop: int) -> int:
    """How many colons stand from start to stop (exclusive)."""
    return sum(
        bytes(data[place : min(place + _PIECE, stop)]).count(b":") for place in range(start, stop, _PIECE)
    )


def is_plain(data: bytes) -> bool:
    """Whether no key stands twice in an object, nor in those inside of it. What is no object is plain."""
    if data[:1] != b"{":
        return True
    found = data.count(b":")
    return found == len(_raws_decoder.decode(data)) or found == colons_of(data)


def colons_of(value: bytes) -> int:
    """The colons that a JSON value has if no key in it stands twice; -1 where it is nested too deeply."""
    try:
        return _colons_of(value)
    except RecursionError:
        return -1


def _colons_of(value: bytes) -> int:
    if value[:1] == b"{":
        values = _raws_decoder.decode(value)
        return len(values) + sum(_colons_of(bytes(raw)) for raw in values.values())
    if value[:1] == b"[" and b"{" in value:
        return sum(_colons_of(bytes(raw)) for raw in _list_decoder.decode(value))
    return value.count(b":")
