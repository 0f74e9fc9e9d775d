"""An image file as rules look at it: its header, its bytes and its pixels, each read when someone looks.

Nothing is written and nothing rotated; sizes are those of the stored pixels. A file that claims more pixels
than the limit is never decoded.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelkit.pixels import refuse_huge
from labelkit.table import ImageRow

_ORIENTATION = 0x0112  # the EXIF tag
_HASH_SIDE = 8  # a difference hash of 8 x 8 = 64 bits


class ImageHeader(NamedTuple):
    """What the first bytes say. type: Pillow's name ("JPEG"). orientation: EXIF's, 1 if it says nothing."""

    type: str
    mode: str
    width: int
    height: int
    orientation: int


def read_header(path: Path) -> ImageHeader:
    """What the first bytes of an image file say.

    Raises ValueError where Pillow knows no such image, or it claims too many pixels.
    """
    from PIL import Image

    with _quiet(), Image.open(path) as image:
        refuse_huge(image.height, image.width)
        orientation = image.getexif().get(_ORIENTATION, 1)
        return ImageHeader(image.format or "", image.mode, image.width, image.height, orientation)


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image of a data set and its file. name: the file's path relative to the data set, or its own."""

    row: ImageRow
    path: Path
    name: str

    @cached_property
    def header(self) -> ImageHeader:
        """Raises ValueError where Pillow knows no such image, or it claims too many pixels."""
        return read_header(self.path)

    @cached_property
    def digest(self) -> str:
        """One short text for equal bytes."""
        with self.path.open("rb") as stream:
            digest = blake2b(digest_size=16)
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> int:
        """64 bits that change little where the picture does: is each cell brighter than the one to its left?

        Decodes the whole file, large JPEGs at a smaller scale. Raises ValueError where it is truncated or
        broken. Source: the difference hash ("dHash").
        """
        from PIL import Image

        _ = self.header
        with _quiet(), Image.open(self.path) as image:
            image.draft("L", (_HASH_SIDE * 8, _HASH_SIDE * 8))
            small = image.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX)
            cells = np.asarray(small, dtype=np.int16)
        bits = np.packbits(cells[:, 1:] > cells[:, :-1])
        return int.from_bytes(bits.tobytes(), "big")


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's many ways to say that a file is broken as one ValueError; its warnings as nothing."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
