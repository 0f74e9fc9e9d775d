"""IMG1xx: image files. A file is opened once; what cannot be opened is told once."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

from labelkit.changes import Fix
from labelkit.findings import Location
from labelkit.image_files import ImageFile
from labelkit.images import upright_edits
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
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def _at(file: ImageFile) -> Location:
    return Location(file.name, image=file.row.path)


def _is_empty(file: ImageFile) -> bool:
    return file.path.stat().st_size == 0


def _is_readable(file: ImageFile) -> bool:
    try:
        return bool(file.header)
    except ValueError:
        return False


@rule("IMG101")
def unreadable_image(file: ImageFile) -> Faults:
    """An image file is no image, or none that Pillow knows, or claims more pixels than is safe.

    Why: training stops at it, often after hours; a file of a few bytes that claims a billion pixels takes
    all memory.
    Fix: bring the image again from where it came from.
    Example: an HTML error page that was saved as `0017.jpg`
    """
    if _is_empty(file):
        return
    try:
        _ = file.header
    except ValueError as error:
        yield Fault(_at(file), f"not a readable image ({error})")


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
        yield Fault(_at(file), f"cannot be decoded to its end ({error})")


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
        yield Fault(_at(file), f"a {kind} file; expected {' or '.join(_SUFFIXES[kind])}, not {suffix!r}")


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
        yield Fault(_at(file), text)


@rule("CNV107", "warning")
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
        yield Fault(_at(file), f"stored as {stored}; annotated as {width} x {height}", fix=fix)


@rule("IMG107", "warning")
def duplicate_image(survey: Survey) -> Faults:
    """Two image files have the same bytes.

    Why: one image counts twice, and its labels may disagree.
    Fix: remove one, and join the annotations.
    Example: `a.jpg` and `copy of a.jpg`
    """
    for first, *others in _same_bytes(survey):
        for path in others:
            if _share_split(survey, first, path):
                yield Fault(Location(survey.files[path].name, image=path), f"the same bytes as {first!r}")


@rule("SPL101")
def image_in_two_splits(survey: Survey) -> Faults:
    """The same image is in two splits.

    Why: what is trained on is tested on; the result is better than the model.
    Fix: remove it from one.
    Example: `train/a.jpg` and `val/b.jpg` with the same bytes
    """
    for first, *others in _same_bytes(survey):
        for path in others:
            if not _share_split(survey, first, path):
                yield Fault(
                    Location(survey.files[path].name, image=path),
                    f"the same bytes as {first!r}, which is in {_splits(survey, first)}",
                )


@rule("IMG109")
def empty_file(file: ImageFile) -> Faults:
    """An image file has no bytes.

    Why: training stops at it.
    Fix: bring the image again; a copy was interrupted, or a disk was full.
    Example: `0017.jpg` of 0 bytes
    """
    if _is_empty(file):
        yield Fault(_at(file), "no bytes")


def _same_bytes(survey: Survey) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path, facts in survey.files.items():
        if facts.digest is not None:
            groups[facts.digest].append(path)
    return [paths for paths in groups.values() if len(paths) > 1]


def _share_split(survey: Survey, a: str, b: str) -> bool:
    """Whether two images may meet in one split; without splits everything meets."""
    first, second = survey.splits_of(a), survey.splits_of(b)
    return not first or not second or bool(first & second)


def _splits(survey: Survey, path: str) -> str:
    return " and ".join(sorted(survey.splits_of(path)))
