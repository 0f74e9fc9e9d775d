"""Bringing images along: never decoded and encoded again, unless that is asked for.

A PNG is made only where it says every pixel, the EXIF data and the colour profile that the image says. What
PNG holds: PNG specification 3, 11.1; what Pillow reads without rounding: its file format handbook.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from labelkit.errors import DestinationError
from labelkit.extracted import is_extracted
from labelkit.pixels import image_size

if TYPE_CHECKING:
    from PIL import Image

IMAGES = ("copy", "hardlink", "symlink", "none", "convert")
NOT_COPIED = frozenset({"symlink", "none"})  # these leave an image where it is

_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"})
_EIGHT_BIT = frozenset({"JPEG", "MPO", "BMP", "GIF", "WEBP"})  # formats of 8 bits a sample, or fewer
_BITS_PER_SAMPLE = 258  # TIFF 6.0, page 29
_MOST = (1 << 16) - 1  # the largest sample of a PNG


def bring(file: Path, place: Path, how: str) -> None:
    """Put an image file at a place; how is one of ``IMAGES``, but not ``none``.

    Raises ValueError where it is to become a PNG and cannot, with nothing left at the place, and where no
    link can lead to it;
    DestinationError where a hard link cannot be made; FileExistsError where something is there.
    """
    if how == "symlink" and is_extracted(file):
        raise ValueError("the image lies inside another file, and a link to it leads nowhere")
    place.parent.mkdir(parents=True, exist_ok=True)
    if becomes_png(file, place, how):
        _make_png(file, place)
    elif how == "hardlink":
        _link(file.resolve(), place)  # not of a symbolic link, which would lead elsewhere from there
    elif how == "symlink":
        place.symlink_to(file.resolve())
    else:
        shutil.copyfile(file, place)


def becomes_png(file: PurePath, place: PurePath, how: str) -> bool:
    """Whether an image is to be made a PNG on its way to a place."""
    return how == "convert" and place.suffix.lower() == ".png" and file.suffix.lower() != ".png"


def _link(file: Path, place: Path) -> None:
    try:
        place.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError as error:
        raise DestinationError(
            str(place), f"no hard link to {file} ({error.strerror})", "one file system", "--images copy"
        ) from None


# --- PNGs --------------------------------------------------------------------------------------------------


def _make_png(file: Path, place: Path) -> None:
    """Make a PNG of an image, or copy it where it is one under another name."""
    with _decoded(file) as image:
        if image.format == "PNG":
            shutil.copyfile(file, place)
            return
        kept = {key: image.info[key] for key in ("exif", "icc_profile") if key in image.info}
        made = BytesIO()  # for half a file is none, and the place may be another's
        _sixteen_bit(image).save(made, "PNG", **kept)
        place.write_bytes(made.getbuffer())


@contextmanager
def _decoded(file: Path) -> Iterator[Image.Image]:
    """An image with its pixels. Raises ValueError where it is none, is broken, or no PNG can hold it."""
    from PIL import Image

    image_size(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that nobody asked for
        with Image.open(file) as image:
            try:
                fault = _fault(image)
                if not fault:
                    image.load()
            except Exception as error:  # decoders raise anything on a broken file
                raise ValueError(f"the image cannot be decoded ({error})") from None
            if fault or (image.mode == "I" and not _fits(image)):
                raise ValueError(f"no PNG can hold this image ({fault or 'samples of more than 16 bits'})")
            yield image


def _fault(image: Image.Image) -> str | None:
    """What a PNG cannot say of an image, told by its header."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        return f"{frames} frames in one file"
    if image.mode not in _PNG_MODES and image.mode != "I":
        return f"its pixels are {image.mode}"
    if not _is_whole(image):
        return f"{image.format} samples that Pillow may round to 8 bits"
    return None


def _is_whole(image: Image.Image) -> bool:
    """Whether Pillow gives an image's samples as the file says them."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))  # type: ignore[attr-defined]
        return image.mode.startswith("I") or max(bits) <= 8
    if image.format == "PPM":  # any other coding than raw scales the samples to a range
        return bool(image.tile[0][0] == "raw")  # type: ignore[attr-defined]
    return image.format in _EIGHT_BIT or image.format == "PNG"


def _fits(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool(pixels.min() >= 0 and pixels.max() <= _MOST)


def _sixteen_bit(image: Image.Image) -> Image.Image:
    """The same image where a PNG has its mode, else with samples of 16 bits, which hold its values."""
    return image.convert("I;16") if image.mode == "I" else image
