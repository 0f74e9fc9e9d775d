"""The elements of a JSON list by their bytes, found window by window: memory does not grow with the list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.formats._json import address

Spans = NDArray[np.int64]
_WINDOW = 1 << 20  # bytes that are decoded at a time
_CLOSE, _COMMA, _OPEN, _SPACE = b"},{ "
_BETWEEN_BRACES = 124  # the number between those of the two braces
_LONGEST_GAP = 64  # bytes in which a comma follows an element
_BETWEEN = re.compile(rb"\}\s*,\s*\{")


class Elements(Sequence[memoryview]):
    """The elements of a list in the bytes of a file. spans: (N, 2) where each starts, and its length."""

    def __init__(self, data: memoryview, spans: Spans) -> None:
        self.data = data
        self.spans = spans

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, key: int) -> memoryview: ...
    @overload
    def __getitem__(self, key: slice) -> Elements: ...
    def __getitem__(self, key: int | slice) -> memoryview | Elements:
        if isinstance(key, slice):
            return Elements(self.data, self.spans[key])
        start, length = self.spans[key].tolist()
        return self.data[start : start + length]

    def __iter__(self) -> Iterator[memoryview]:
        for start, length in self.spans.tolist():
            yield self.data[start : start + length]


class Window(NamedTuple):
    """Some elements of a list, one after the other.

    spans: (N, 2) where each starts in the data, and its length. said: what each says; None if one of them is
    not of the type that was asked for.
    """

    spans: Spans
    said: list[Any] | None


def windows(data: memoryview, start: int, stop: int, type: Any) -> Iterator[Window]:
    """The elements of the JSON list at data[start:stop], which is valid, decoded as a type."""
    decoder = msgspec.json.Decoder(list[type])
    here, end = start + 1, stop - 1  # inside of the brackets
    while here < end:
        size, found = _WINDOW, None
        while found is None:
            is_last = here + size >= end
            found = _window(data, here, min(here + size, end), decoder, is_last=is_last)
            assert found or not is_last, "the list is valid, so that all that is left of it is some elements"
            size *= 2  # for an element of more than a window
        yield found.window
        here = _after_comma(data, found.stop, end)


def _after_comma(data: memoryview, here: int, end: int) -> int:
    while here < end:
        here += 1
        if data[here - 1] == _COMMA:
            break
    return here


class _Found(NamedTuple):
    window: Window
    stop: int


def _window(
    data: memoryview, start: int, stop: int, decoder: msgspec.json.Decoder[list[Any]], *, is_last: bool
) -> _Found | None:
    """The whole elements between two bytes, the first of which begins one; None where none is whole."""
    piece = data[start:stop]
    gaps = _gaps(piece)
    if is_last:
        return _decoded(piece, start, gaps, decoder)
    if len(gaps):  # the last one is between two of the list, unless elements are nested
        found = _decoded(piece[: gaps[-1, 0]], start, gaps[:-1], decoder)
        if found is not None:
            return found
    cut = _last_end(piece)
    if cut is None:
        return None
    return _decoded(piece[:cut], start, gaps[gaps[:, 0] < cut], decoder)


def _decoded(
    piece: memoryview, start: int, gaps: Spans, decoder: msgspec.json.Decoder[list[Any]]
) -> _Found | None:
    """The elements of a text without brackets; None where it is not all of some elements.

    gaps: what stands between two objects, where one ends and the next one starts, wherever it stands. Between
    two objects of a list it always does: where there is one less than there are objects, all are of the list.
    """
    text = b"".join((b"[", piece, b"]"))
    try:
        said: list[Any] | None = decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        said = None
    if said and len(gaps) == len(said) - 1:
        first, last = len(text) - 1 - len(text[1:].lstrip()), len(text[:-1].rstrip()) - 1
        starts, stops = np.append(first, gaps[:, 1]), np.append(gaps[:, 0], last)
        spans = np.column_stack([starts, stops - starts])
    else:
        asked = _asked_spans(text)
        if asked is None:
            return None
        spans = asked
    spans[:, 0] += start
    return _Found(Window(spans, said), start + len(piece))


def _last_end(piece: memoryview) -> int | None:
    """Where the last element ends that is followed by a comma, going by braces.

    Texts may have braces too, so that whoever cuts there finds out by decoding.
    """
    letters = np.frombuffer(piece, dtype=np.uint8)
    braces = np.flatnonzero((letters == _OPEN) | (letters == _CLOSE))
    depth = np.cumsum(_BETWEEN_BRACES - letters[braces].astype(np.int64))  # one up, one down
    for end in (braces[depth == 0] + 1)[::-1].tolist():
        if bytes(piece[end : end + _LONGEST_GAP]).lstrip().startswith(b","):
            return int(end)
    return None


def _gaps(piece: memoryview) -> Spans:
    """(N, 2) where an object ends and where the next one starts, for all ``},{`` with or without spaces."""
    letters = np.frombuffer(piece, dtype=np.uint8)
    closing = np.flatnonzero(letters[:-3] == _CLOSE)
    after, second, third = (letters[closing + k] for k in (1, 2, 3))
    is_comma, is_space = after == _COMMA, second == _SPACE
    is_wide = (after <= _SPACE) | (is_comma & ((second < _SPACE) | (is_space & (third <= _SPACE))))
    if is_wide.any():  # more than one space, or another kind of it
        found = [(match.start() + 1, match.end() - 1) for match in _BETWEEN.finditer(piece)]
        return np.array(found, dtype=np.int64).reshape(-1, 2)
    far = is_comma & is_space & (third == _OPEN)
    is_gap = far | (is_comma & (second == _OPEN))
    return np.column_stack([closing[is_gap] + 1, closing[is_gap] + 2 + far[is_gap]])


def _asked_spans(text: bytes) -> Spans | None:
    """The spans of whatever elements, each asked of a decoder; None where the text is no list."""
    try:
        raws = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    first = address(text) + 1  # less the bracket
    spans = [(address(raw) - first, len(raw)) for raw in raws]
    return np.array(spans, dtype=np.int64).reshape(-1, 2)
