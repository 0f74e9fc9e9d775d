"""Bringing images along: never decoded and encoded again, unless a PNG is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from labelkit.errors import FormatError
from labelkit.pixels import image_size

IMAGES = ("copy", "hardlink", "symlink", "none", "convert")


def bring(file: Path, place: Path, how: str) -> None:
    """Put an image file at a place; how is one of ``IMAGES``. Raises FormatError where it is unreadable."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "convert" and file.suffix.lower() != place.suffix.lower():
        _encode_png(file, place)
    elif how == "hardlink":
        place.hardlink_to(file)
    elif how == "symlink":
        place.symlink_to(file.resolve())
    else:
        shutil.copyfile(file, place)


def _encode_png(file: Path, place: Path) -> None:
    from PIL import Image

    try:
        image_size(file)
        with Image.open(file) as image:
            kept = {key: image.info[key] for key in ("exif", "icc_profile") if key in image.info}
            image.save(place, "PNG", **kept)
    except (OSError, ValueError) as error:
        raise FormatError(str(file), f"cannot be made a PNG ({error})", "a readable image") from None
