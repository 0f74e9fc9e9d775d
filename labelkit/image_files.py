"""An image file as rules look at it: its header, its bytes and its pixels, each read when someone looks.

Nothing is written; sizes are those of the stored pixels, whatever EXIF says. A file that claims more pixels
than the limit is never decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Edit
from labelkit.findings import Location
from labelkit.pixels import decoding, refuse_huge
from labelkit.table import ImageRow

ORIENTATION = 0x0112  # the EXIF tag
_SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that exchange width and height; EXIF 2.3, 4.6.4
_HASH_SIDE = 8  # a difference hash of 8 x 8 = 64 bits
THUMBNAIL_SIDE = 16


class ImageHeader(NamedTuple):
    """What the first bytes say. type: Pillow's name ("JPEG"). orientation: EXIF's, 1 if it says nothing."""

    type: str
    mode: str
    width: int
    height: int
    orientation: int

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height of the image as EXIF turns it."""
        return displayed((self.width, self.height), self.orientation)


def displayed(stored: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of an image as EXIF turns it."""
    return stored[::-1] if orientation in _SIDEWAYS else stored


def read_header(path: Path) -> ImageHeader:
    """What the first bytes of an image file say.

    Raises ValueError where Pillow knows no such image; HugeImageError where it claims too many pixels.
    """
    from PIL import Image

    with decoding(), Image.open(path) as image:
        refuse_huge(image.height, image.width)
        # Of a PNG, Pillow would decode all pixels to look for EXIF behind them, where no tool writes it.
        has_exif = image.format != "PNG" or "exif" in image.info
        orientation = image.getexif().get(ORIENTATION, 1) if has_exif else 1
        return ImageHeader(image.format or "", image.mode, image.width, image.height, orientation)


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image of a data set and its file. name: the file's path relative to the data set, or its own."""

    row: ImageRow
    path: Path
    name: str

    @property
    def at(self) -> Location:
        """Where it is."""
        return Location(self.name, image=self.row.path)

    @cached_property
    def header(self) -> ImageHeader:
        """Raises as ``read_header`` does."""
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
        cells = self._small[0].astype(np.int16)
        bits = np.packbits(cells[:, 1:] > cells[:, :-1])
        return int.from_bytes(bits.tobytes(), "big")

    @cached_property
    def thumbnail(self) -> bytes:
        """The picture in 16 x 16 shades of grey, row by row. Raises as ``fingerprint`` does."""
        return self._small[1].tobytes()

    @cached_property
    def _small(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The picture in shades of grey at the sizes of the fingerprint and of the thumbnail."""
        from PIL import Image

        _ = self.header
        sizes = (_HASH_SIDE + 1, _HASH_SIDE), (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
        with decoding(), Image.open(self.path) as image:
            image.draft("L", (_HASH_SIDE * 8, _HASH_SIDE * 8))
            grey = image.convert("L")
            cells, thumbnail = (np.asarray(grey.resize(size, Image.Resampling.BOX)) for size in sizes)
        return cells, thumbnail


def upright_edits(file: Path) -> tuple[Edit, ...]:
    """The edit that turns an image's stored pixels as its EXIF orientation says, and drops that.

    There is none for several frames, nor for formats other than JPEG, PNG and WebP. A JPEG is encoded again
    with its own quantisation tables and subsampling, so that little changes; all else is exact.
    Raises ValueError where the image cannot be decoded.
    """
    from PIL import Image, ImageOps, JpegImagePlugin

    read_header(file)
    out = BytesIO()
    with decoding("the image cannot be decoded"), Image.open(file) as image:
        if image.format not in ("JPEG", "PNG", "WEBP") or getattr(image, "n_frames", 1) > 1:
            return ()
        how: dict[str, Any] = {"lossless": True, "exact": True} if image.format == "WEBP" else {}
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            how = {"qtables": image.quantization, "subsampling": JpegImagePlugin.get_sampling(image)}
        turned = ImageOps.exif_transpose(image)
        kept = {key: turned.info[key] for key in ("exif", "icc_profile") if key in turned.info}
        turned.save(out, image.format, **kept, **how)
    return (Edit(file, 0, None, out.getvalue()),)
