"""The plan of a run: which images share a batch. It depends on the images and the batch size only.

Images are taken window by window in the order of their data set; within a window, images of equal size make
batches. So memory does not grow with the data set, a stopped run finds its batches again, and no image is
padded because of a neighbour: a model's labels can depend on padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from labelkit.image_files import read_header
from labelkit.model import Image

WINDOW = 512  # images: at 1 KB each, and their labels, a few megabytes


@dataclass(frozen=True)
class Shot:
    """An image to be labelled.

    image: what the record says of it. orientation: EXIF's, as it is applied before a model sees it; else 1.
    size: width and height of what the model sees. fault: why it is not to be labelled, or empty.
    """

    image: Image
    file: Path | None
    orientation: int = 1
    size: tuple[int, int] = (0, 0)
    fault: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Images that go through the model together, and the window in which they are."""

    number: int
    window: int
    shots: tuple[Shot, ...]


def take(image: Image, file: Path | None) -> Shot:
    """An image as the model is to see it, by its header.

    What EXIF says is followed where that gives the size that the record states, and where both do or the
    record states none; it is not where only the stored pixels have that size, for then the labels do too.
    """
    if file is None:
        return Shot(image, None, fault="there is no such image file")
    try:
        with file.open("rb"):
            header = read_header(file)
    except OSError as error:
        return Shot(image, file, fault=unreadable(error))
    except ValueError as error:
        return Shot(image, file, fault=str(error))
    stored, shown = (header.width, header.height), header.displayed
    stated = None if image.width is None or image.height is None else (image.width, image.height)
    if stated in (None, shown):
        unsure = stated is None or stored == shown
        notes = (_TURNED.format(header.orientation),) if unsure and header.orientation != 1 else ()
        return Shot(image, file, header.orientation, shown, notes=notes)
    if stated == stored:
        return Shot(image, file, size=stored)
    text = f"the record says {image.width} x {image.height}, the image is {shown[0]} x {shown[1]}"
    return Shot(image, file, fault=text)


_TURNED = "is labelled as it is displayed (EXIF orientation {})"


def unreadable(error: OSError) -> str:
    """Why the file of an image cannot be read, without its path, which another machine has not."""
    return f"cannot be read ({error.strerror or error})"


def batches(shots: Iterable[Shot], size: int, *, any_size: bool) -> Iterator[Batch]:
    """The batches of a run, in order.

    any_size: whether the transforms make all images equal, so that any may share a batch. Images that cannot
    be labelled come in a batch of their own, so that a journal of batches tells of every image.
    """
    number = 0
    stream = iter(shots)
    for window, group in enumerate(iter(lambda: list(islice(stream, WINDOW)), [])):
        for alike in _alike(group, any_size=any_size):
            for start in range(0, len(alike), size):
                yield Batch(number, window, tuple(alike[start : start + size]))
                number += 1


def _alike(group: list[Shot], *, any_size: bool) -> Iterator[list[Shot]]:
    by_size: dict[tuple[int, int], list[Shot]] = {}
    for shot in group:
        key = (-1, -1) if shot.fault else (0, 0) if any_size else shot.size
        by_size.setdefault(key, []).append(shot)
    yield from by_size.values()
