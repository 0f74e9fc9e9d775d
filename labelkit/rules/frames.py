"""STR115, REF114 and REF115: the files of a data set whose frames are sets of files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from posixpath import splitext

from labelkit.findings import Location
from labelkit.formats.cityscapes.raw_frame import CityscapesSet
from labelkit.formats.cityscapes.table import ALL_FILES, SUFFIX
from labelkit.rules import Fault, Faults, rule

_OFFICIAL = re.compile(r"[^_]+_[0-9]{6}_[0-9]{6}")
_ALIKE = 0.8  # of the letters
_PARTS = 3  # city, sequence and frame


@rule("STR115", "warning")
def frame_name(data: CityscapesSet) -> Faults:
    """A file has a name that the official tools do not know, or take apart wrongly.

    Why: they split names at every `_` and take the parts by their place: a city with an underscore ends them
    with an error, and a file of another name is not looked at, whatever is in it.
    Fix: name files `<city>_<sequence>_<frame>_gtFine_<kind>`, in the folder of their city, with `-` for `_`
    in the city's name.
    Example: `new_york_000000_000019_gtFine_labelIds.png`; `aachen_000000_000019_gtFine_labelIDs.png`
    """
    for frame in data.frames:
        if not _OFFICIAL.fullmatch(frame.core):
            count = frame.core.count("_") + 1
            hint = " and no underscore in the city" if count > _PARTS else ""
            text = f"{frame.core!r} has {count} parts; expected <city>_<6 digits>_<6 digits>{hint}"
            yield Fault(Location(data.place(frame, frame.kinds[0]), image=data.image(frame)), text)
    for name in data.unread:
        if kind := _meant_kind(name):
            expected = f"<split>/<city>/<city>_<sequence>_<frame>_{data.folder.type}_{kind}{SUFFIX[kind]}"
            yield Fault(Location(data.prefix + name), f"belongs to no frame; expected {expected}")


def _meant_kind(name: str) -> str | None:
    """The official kind of file that a name looks like; None for files of somebody's own."""
    stem, suffix = splitext(name)
    if suffix.lower() not in SUFFIX.values():
        return None
    lower = {kind.lower(): kind for kind in ALL_FILES}
    close = get_close_matches(stem.rpartition("_")[2].lower(), lower, 1, cutoff=_ALIKE)
    return lower[close[0]] if close else None


@rule("REF114", "warning")
def frame_without_polygons(data: CityscapesSet) -> Faults:
    """A frame has no polygons.json, and most others have one.

    Why: its objects are lost to every tool that reads polygons, and nobody can paint its PNGs again.
    Fix: bring the file.
    Example: a frame of `_labelIds.png` and `_instanceIds.png` alone among complete ones
    """
    yield from _without(data, "polygons")


@rule("REF115", "info")
def frame_without_png(data: CityscapesSet) -> Faults:
    """A frame lacks a PNG that most others have.

    Why: tools that read this kind of PNG leave the frame out, or stop at it.
    Fix: paint it from the polygons (json2labelImg, json2instanceImg, csCreateTrainIdLabelImgs).
    Example: one frame without `_instanceIds.png`
    """
    kinds = Counter(kind for frame in data.frames for kind in frame.kinds)
    for kind in kinds:
        if kind != "polygons":
            yield from _without(data, kind)


def _without(data: CityscapesSet, kind: str) -> Iterator[Fault]:
    """The frames that lack a file of a kind, if more than half of all have it."""
    lack = [frame for frame in data.frames if kind not in frame.kinds]
    have = len(data.frames) - len(lack)
    if have <= len(lack):
        return
    for frame in lack:
        text = f"no such file; expected one, as {have} of {len(data.frames)} frames have it"
        yield Fault(Location(data.place(frame, kind), image=data.image(frame)), text)
