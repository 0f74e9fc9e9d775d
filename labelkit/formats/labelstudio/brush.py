"""Label Studio's run-length code of a brush region: the bytes of an RGBA bitmap, row by row.

A stream of bits: 32 of how many values there are, 5 of the word size less one, four times 4 of a length size
less one; then blocks: a bit that says whether one value repeats, 2 bits that choose a length size, the number
of values less one in that many bits, and the value, or as many values. Zero bits fill the last byte.
A pixel belongs to a region where its alpha is not 0, as in the editor and in Label Studio's own converters.
Source: thi.ng rle-pack, which the editor uses, and label_studio_sdk.converter.brush, with which
test_labelstudio_brush.py compares every byte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import rle

Values = NDArray[np.uint8]

_SIZES = (3, 4, 8, 16)  # bits of a length, as the SDK writes them
_LONGEST = 1 << 16
_WORD = 8
_HEADER = 53  # bits before the first block
_CHANNELS = 4


def encode_mask(counts: rle.Counts, height: int, width: int) -> bytes:
    """The code of a mask: 255 in all four channels where it is set.

    counts: its run lengths, column by column. Source: mask2rle.
    """
    flat = rle.decode_mask(counts, height, width).ravel()
    values, lengths = _runs(flat.astype(np.uint8) * np.uint8(255))
    return _encode_runs(values, lengths * _CHANNELS, flat.size * _CHANNELS)


def decode_mask(data: bytes, height: int, width: int) -> rle.Counts:
    """The run lengths, column by column, of the pixels whose alpha is not 0.

    Raises ValueError: the code ends too early, or is of another number of pixels.
    """
    values = decode(data, _CHANNELS * height * width)
    alpha = values.reshape(height, width, _CHANNELS)[..., _CHANNELS - 1]
    return rle.encode_mask(alpha != 0)


def encode(values: Values) -> bytes:
    """The code of some bytes. Source: encode_rle with its defaults."""
    runs, lengths = _runs(values)
    return _encode_runs(runs, lengths, values.size)


def _runs(values: Values) -> tuple[Values, NDArray[np.int64]]:
    """Each value that repeats, and how often it does."""
    if not values.size:
        return values, np.zeros(0, np.int64)
    starts = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    return values[starts], np.diff(np.append(starts, values.size)).astype(np.int64)


def _encode_runs(values: Values, lengths: NDArray[np.int64], number: int) -> bytes:
    head = f"{number:032b}{_WORD - 1:05b}" + "".join(f"{size - 1:04b}" for size in _SIZES)
    bits = np.concatenate([np.frombuffer(head.encode(), np.uint8) - ord("0"), _blocks(values, lengths)])
    fill = 8 - bits.size % 8  # a whole byte where none is needed, as the SDK does
    return np.packbits(np.concatenate([bits, np.zeros(fill, np.uint8)])).tobytes()


def _blocks(values: Values, lengths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The bits of all blocks. A run that no length size can hold is several blocks of the largest."""
    choice = np.searchsorted((8, 16, 256), lengths)
    times = np.maximum(1, -(-lengths // _LONGEST))
    rest = lengths - (times - 1) * _LONGEST
    which = np.repeat(np.arange(lengths.size), times)
    is_last = np.append(which[1:] != which[:-1], True)[: which.size]
    sizes = np.array(_SIZES)[choice][which]
    length = np.where(is_last, rest[which], _LONGEST) - 1
    repeats = (lengths > 1)[which].astype(np.int64)  # a single value is a block of one value
    code = ((repeats << 2 | choice[which]) << sizes | length) << _WORD | values[which]
    widest = 3 + max(_SIZES) + _WORD
    columns = np.arange(widest - 1, -1, -1)
    bits = (code[:, None] >> columns & 1).astype(np.uint8)
    used: NDArray[np.uint8] = bits[columns < (3 + sizes + _WORD)[:, None]]
    return used


def decode(data: bytes, number: int) -> Values:
    """The values that some code stands for.

    number: how many there must be, so that a few bytes cannot ask for any amount of memory.
    Raises ValueError: it says another number, words of more than 8 bits, or ends too early.
    """
    stream = _Bits(data)
    said, word = stream.read(32), stream.read(5) + 1
    if said != number:
        raise ValueError(f"a brush RLE of {said} values; expected {number}, four a pixel")
    if word != _WORD:
        raise ValueError(f"a brush RLE of {word}-bit words; expected {_WORD}")
    sizes = [stream.read(4) + 1 for _ in range(4)]
    pieces: list[Values] = []
    done = 0
    while done < number:
        repeats = stream.read(1)
        length = min(stream.read(sizes[stream.read(2)]) + 1, number - done)
        if repeats:
            pieces.append(np.full(length, stream.read(_WORD), np.uint8))
        else:
            pieces.append(stream.read_bytes(length))
        done += length
    return np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)


class _Bits:
    """Bytes that are read bit by bit."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data) * 8
        self.place = 0

    def read(self, bits: int) -> int:
        """The next bits, at most 32, as a number."""
        first = self.place >> 3
        self._advance(bits)
        window = int.from_bytes(self.data[first : first + 5].ljust(5, b"\0"), "big")
        return window >> (40 - (self.place - first * 8)) & ((1 << bits) - 1)

    def read_bytes(self, count: int) -> Values:
        """The next groups of eight bits."""
        first, shift = divmod(self.place, 8)
        self._advance(8 * count)
        piece = np.frombuffer(self.data, np.uint8, min(count + 1, len(self.data) - first), first)
        found: Values = np.packbits(np.unpackbits(piece)[shift : shift + 8 * count])
        return found

    def _advance(self, bits: int) -> None:
        self.place += bits
        if self.place > self.size:
            raise ValueError(f"a brush RLE that ends too early, after {len(self.data)} bytes")
