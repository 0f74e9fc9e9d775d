"""IMG1xx: image files. A file is opened once; what cannot be opened is told once."""

from __future__ import annotations

from collections import Counter
from functools import partial

from labelkit.changes import Fix
from labelkit.findings import Location
from labelkit.image_files import ImageFile, upright_edits
from labelkit.pixels import PIXEL_LIMIT, HugeImageError
from labelkit.rules import Fault, Faults, rule
from labelkit.survey import Survey

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
_INKS = "inks"
_USUAL = "8-bit colours or grey"
_KINDS = {
    **dict.fromkeys(("RGBA", "LA", "PA", "RGBa", "La"), "an alpha channel"),
    **dict.fromkeys(("I;16", "I;16B", "I;16L", "I;16N", "I", "F"), "more than 8 bits"),
    "P": "a palette",
    "CMYK": _INKS,
}  # by Pillow's mode, where it is not usual
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def _is_empty(file: ImageFile) -> bool:
    return file.path.stat().st_size == 0


def _is_readable(file: ImageFile) -> bool:
    try:
        return bool(file.header)
    except ValueError:
        return False


@rule("IMG101")
def unreadable_image(file: ImageFile) -> Faults:
    """An image file is no image, or none that Pillow knows.

    Why: training stops at it, often after hours.
    Fix: bring the image again from where it came from.
    Example: an HTML error page that was saved as `0017.jpg`
    """
    if _is_empty(file):
        return
    try:
        _ = file.header
    except HugeImageError:
        return  # IMG106 tells it
    except ValueError as error:
        yield Fault(file.at, f"not a readable image ({error})")


@rule("IMG102")
def truncated_image(file: ImageFile) -> Faults:
    """An image file starts well and cannot be decoded to its end.

    Why: some loaders stop, others fill the rest with grey, and the labels there are of nothing.
    Fix: bring the image again; the copy was interrupted.
    Example: a JPEG of which the last half is missing
    """
    if _is_empty(file) or not _is_readable(file):
        return
    try:
        _ = file.fingerprint
    except ValueError as error:
        yield Fault(file.at, f"cannot be decoded to its end ({error})")


@rule("IMG103", "warning")
def wrong_extension(file: ImageFile) -> Faults:
    """An image file is of another type than its name says.

    Why: tools that go by the name fail on it, or serve it with the wrong type.
    Fix: rename it, and its entry with it.
    Example: a PNG that is called `0017.jpg`
    """
    if not _is_readable(file):
        return
    kind, suffix = file.header.type, file.path.suffix.lower()
    if kind in _SUFFIXES and suffix not in _SUFFIXES[kind]:
        yield Fault(file.at, f"a {kind} file; expected {' or '.join(_SUFFIXES[kind])}, not {suffix!r}")


@rule("IMG104")
def size_mismatch(file: ImageFile) -> Faults:
    """An image has another size than its annotation says.

    Why: the boxes were drawn on another version of the image; all of them are at the wrong place.
    Fix: bring the version that was annotated, or scale the annotations.
    Example: `"width": 640` for an image that is 1280 pixels wide
    """
    width, height = file.row.width, file.row.height
    if width is None or height is None or not _is_readable(file):
        return
    header = file.header
    if (header.width, header.height) == (width, height):
        return
    turned = header.orientation in _TURNED and (header.height, header.width) == (width, height)
    if not turned:  # CNV107 names that
        text = f"{header.width} x {header.height} pixels; expected {width} x {height}, as annotated"
        yield Fault(file.at, text)


@rule("CNV107", "warning", fixes="unsafe")
def size_swapped_by_orientation(file: ImageFile) -> Faults:
    """Width and height are those of the image as it is shown, not as it is stored: EXIF turns it.

    Why: tools that do not look at EXIF see the image lying on its side, with boxes that stand.
    Fix: turn the pixels and drop the EXIF orientation, or annotate the stored image.
    Example: a phone's photograph, stored 4000 x 3000 with orientation 6, annotated as 3000 x 4000
    """
    width, height = file.row.width, file.row.height
    if width is None or width == height or not _is_readable(file):
        return
    header = file.header
    if header.orientation in _TURNED and (header.height, header.width) == (width, height):
        stored = f"{header.width} x {header.height} pixels, turned by EXIF orientation {header.orientation}"
        fix = Fix("turn the pixels as EXIF says", partial(upright_edits, file.path), is_safe=False)
        yield Fault(file.at, f"stored as {stored}; annotated as {width} x {height}", fix=fix)


@rule("IMG105", "warning")
def unusual_mode(survey: Survey) -> Faults:
    """An image has other channels than nearly all: an alpha channel, a palette, inks, 16 or 32 bits.

    Why: loaders take the first three of four channels, indices for shades of grey, or the upper 8 of 16 bits;
    inks (CMYK) come out with wrong colours, also where all images have them. Nothing stops, the picture is
    another one. Grey among coloured images is usual, in official data sets too, and loaders convert it.
    Fix: convert it to what the others are.
    Example: one PNG with transparency among JPEGs
    """
    modes = {path: facts.mode for path, facts in survey.files.items() if facts.mode}
    kinds = Counter(_KINDS.get(mode, _USUAL) for mode in modes.values())
    most = max(kinds, key=lambda kind: (kinds[kind], kind == _USUAL), default=_USUAL)
    for path, mode in modes.items():
        kind = _KINDS.get(mode, _USUAL)
        if kind == most and kind != _INKS:
            continue
        expected = _USUAL if most == _INKS else f"{most}, as in {kinds[most]} of {len(modes)} images"
        where = Location(survey.files[path].name, image=path)
        yield Fault(where, f"{kind} (mode {mode}); expected {expected}")


@rule("IMG106")
def decompression_bomb(file: ImageFile) -> Faults:
    """An image file claims more pixels than is safe.

    Why: a file of a few bytes that claims a billion pixels takes all memory, and the machine with it.
    Fix: cut a picture that really is so large into tiles; remove any other.
    Example: a PNG of 2 kB whose header says 60000 x 60000
    """
    if _is_empty(file):
        return
    try:
        _ = file.header
    except HugeImageError as error:
        yield Fault(file.at, f"more pixels than is safe ({error}); expected at most {PIXEL_LIMIT}")
    except ValueError:
        return  # IMG101 tells it


@rule("IMG109")
def empty_file(file: ImageFile) -> Faults:
    """An image file has no bytes.

    Why: training stops at it.
    Fix: bring the image again; a copy was interrupted, or a disk was full.
    Example: `0017.jpg` of 0 bytes
    """
    if _is_empty(file):
        yield Fault(file.at, "no bytes")
