"""Fitting an image's path and splits: one split, and a name of the official layout."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from labelkit.findings import Tell
from labelkit.formats.cityscapes.table import IMAGES, NAME, UNSPLIT, native
from labelkit.model import Record

_FRAME = "000019"  # the labelled frame of each official sequence of thirty
_NAME = re.compile(rf"(?P<city>[^_/]+)_[0-9]{{6}}_[0-9]{{6}}_{IMAGES}\.[A-Za-z]+")


def named(record: Record, ordinal: int, tell: Tell) -> Record:
    """The record with a path that this format has read or could read, and at most one split."""
    path = record.image.path
    split = next((name for name in record.splits if _is_folder(name)), None)
    dropped = [name for name in record.splits if name != split]
    if dropped:
        text = f"an image has one split, a folder; {', '.join(repr(name) for name in dropped)} dropped"
        tell("LOS110", path, text, count=len(dropped))
    place = PurePosixPath(path)
    splits = (split,) if split is not None else ()
    known = native(record.raw).get("path", "")
    if not _is_place(record, split or UNSPLIT):
        new = str(PurePosixPath(known).with_suffix(place.suffix)) if known else ""
        if not _has_place(new, split or UNSPLIT):
            new = _new_place(place, split, ordinal)
        tell("LOS204", path, f"becomes {new}")
        path = new
    if path == record.image.path and splits == record.splits:
        return record
    image = record.image.model_copy(update={"path": path})
    return record.model_copy(update={"image": image, "splits": splits})


def _new_place(place: PurePosixPath, split: str | None, ordinal: int) -> str:
    """A path in the official layout: the city is the last folder, the sequence the place in the data set."""
    city = place.parts[-2] if len(place.parts) > 1 else split or "images"
    city = re.sub(r"[\W_]+", "-", city).strip("-") or "images"
    return f"{split or UNSPLIT}/{city}/{city}_{ordinal:06}_{_FRAME}_{IMAGES}{place.suffix}"


def _is_folder(name: str) -> bool:
    """Whether a split's name can be a folder, and is read back as that split."""
    return bool(re.fullmatch(r"[^./\\:\0][^/\\:\0]*", name)) and name != UNSPLIT


def _is_place(record: Record, folder: str) -> bool:
    """Whether the path has the official layout already, or is one that this format has read."""
    path = record.image.path
    return _has_place(path, folder) and (_is_official(path) or NAME in record.raw)


def _has_place(path: str, folder: str) -> bool:
    parts = path.split("/")
    return len(parts) == 3 and parts[0] == folder and _is_folder(parts[1]) and f"_{IMAGES}." in parts[2]


def _is_official(path: str) -> bool:
    _, city, name = path.split("/")
    match = _NAME.fullmatch(name)
    return match is not None and match["city"] == city
