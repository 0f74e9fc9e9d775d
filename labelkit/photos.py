"""The photograph behind labels, as whoever draws on it needs it: eight bits a sample, no larger than wanted.

Labels are in pixels of the size that the record states. What EXIF says is followed, but for images of which
only the stored pixels have that size.
"""

from __future__ import annotations

import io
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.image_files import ORIENTATION, displayed
from labelkit.pixels import decoding, open_image, refuse_huge

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

_QUALITY = 72


class Photo(NamedTuple):
    """pixels: (h, w, 3), perhaps reduced. size: width and height of the whole image, turned as it is here."""

    pixels: Pixels
    size: tuple[int, int]


def load(file: Path, stated: tuple[int, int] | None = None, *, longest: int | None = None) -> Photo:
    """An image file's pixels. stated: the size that labels are in. longest: the side to reduce it to.

    Raises ValueError where the file is broken, is no image, or claims too many pixels.
    """
    from PIL import ImageOps

    with decoding("the image cannot be decoded"), open_image(file) as image:
        refuse_huge(image.height, image.width)
        stored, turned = image.size, displayed(image.size, image.getexif().get(ORIENTATION, 1))
        is_upright = turned == stated or stored != stated
        size = turned if is_upright else stored
        scale = min(longest / max(size), 1) if longest else 1.0
        if scale < 1:
            image.draft("RGB", reduced(stored, scale))  # JPEGs, faster
        plain = eight_bit(ImageOps.exif_transpose(image) if is_upright else image)
        return Photo(resized(np.array(plain), reduced(size, scale)), size)


def reduced(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """A size made smaller, at least one pixel each way."""
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pixels (h, w, 3) at another width and height."""
    from PIL import Image

    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2))


def eight_bit(image: Image.Image) -> Image.Image:
    """RGB; samples of more than 8 bits are spread from the darkest to the brightest."""
    from PIL import Image

    if image.mode[0] not in "IF":
        return image.convert("RGB")
    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / ((high - low) or 1))).astype(np.uint8)).convert("RGB")


def as_jpeg(image: Image.Image) -> str:
    """A JPEG for a page, small and good enough to look at, as the URL of its data."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode('ascii')}"
