"""MSK1xx: the PNGs of label maps, as files. A file that cannot be read is told once, by MSK108."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Edit, Fix
from labelkit.findings import Location
from labelkit.formats.voc.raw_maps import VocMaps
from labelkit.map_files import MapFile, as_palette
from labelkit.pixels import Colour, packed_colours
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import few
from labelkit.survey import Survey

_GREY = ("L", "1", "I;16")  # modes whose pixels are one number, and which have no palette
_COLOURS = ("RGB", "RGBA")
_SHOWN = 3  # of many values that a message could name


def _mode(file: MapFile) -> str:
    """The mode of a file, "" where its pixels cannot be read."""
    try:
        _ = file.stored
        return file.header.mode
    except ValueError:
        return ""


def _wants_palette(file: MapFile) -> bool:
    return file.modes[:1] == ("P",)


@rule("MSK109")
def map_mode(file: MapFile) -> Faults:
    """A label map is stored in a mode that the format's tools do not read as values.

    Why: they take the wrong channel, or round the values, or stop.
    Fix: export it again as one value a pixel.
    Example: a PNG of mode LA (grey with alpha) in `SegmentationClass/`
    """
    mode = _mode(file)
    if _is_other_mode(file, mode):
        yield Fault(file.at, f"mode {mode}; expected {' or '.join(file.modes)}")


def _is_other_mode(file: MapFile, mode: str) -> bool:
    other = (*_GREY, *_COLOURS) if _wants_palette(file) else ()  # which rules of their own tell
    return bool(mode and file.modes) and mode not in (*file.modes, *other)


@rule("MSK129", "info", fixes="safe")
def map_without_palette(file: MapFile) -> Faults:
    """A label map has the right values and no palette.

    Why: nothing is wrong for training; but it looks black, and who opens it and saves it anew may lose it.
    Fix: add the palette; the values stay.
    Example: a PNG of mode L in `SegmentationClass/`
    """
    mode = _mode(file)
    if not _wants_palette(file) or mode not in _GREY:
        return
    if _strange_values(file) or max(file.counts, default=0) > 255:
        return
    fix = _palette_fix(file, "add the palette")
    yield Fault(file.at, f"mode {mode}, which has no palette; expected P", fix=fix)


@rule("MSK110", "warning", fixes="safe")
def rgb_palette(file: MapFile) -> Faults:
    """A label map has the colours of classes as its pixels, where their indices are expected.

    Why: the official tools read indices; from such a file they take red for the class.
    Fix: turn colours into indices; each colour is that of a class, so nothing is lost.
    Example: an RGB PNG with (128, 0, 0) where index 1 should be
    """
    if not _wants_palette(file) or _mode(file) not in _COLOURS or file.labels is None:
        return
    opaque = file.stored.shape[2] == 3 or bool((file.stored[..., 3] == 255).all())
    fix = _palette_fix(file, "turn colours into indices") if opaque else None
    yield Fault(file.at, f"mode {file.header.mode}; expected P, with indices", fix=fix)


@rule("MSK111")
def blurred_colours(file: MapFile) -> Faults:
    """A label map has colours that are no class's.

    Why: it was scaled with smoothing, drawn with soft edges or saved as JPEG; every such pixel is lost, and
    a lookup of the nearest colour makes rims of wrong classes.
    Fix: export it again, without smoothing and without loss.
    Example: (64, 0, 0) between a background of (0, 0, 0) and a person of (128, 0, 0)
    """
    if not file.colours or _mode(file) not in _COLOURS or file.labels is not None:
        return
    packed = packed_colours(file.stored)
    known = packed_colours(np.array(file.colours, dtype=np.uint8))
    strange = ~np.isin(packed, known)
    y, x = (int(number) for number in np.argwhere(strange)[0])
    red, green, blue = (int(number) for number in file.stored[y, x, :3])
    count, kinds = int(strange.sum()), len(np.unique(packed[strange]))
    share = f"{count} of {packed.size} pixels in {kinds} colours that no class has"
    first = f"first ({red}, {green}, {blue}) at x={x}, y={y}"
    nearest = _called(file, _nearest(file, (red, green, blue)))
    yield Fault(file.at, f"{share}, {first}; the nearest class is {nearest}")


@rule("MSK112")
def value_outside_table(file: MapFile) -> Faults:
    """A label map has a value that is no class.

    Why: a loss over n classes stops at it with an obscure error on the GPU, or counts it as another class.
    Fix: find out which class was meant, and list it or correct the pixels.
    Example: the value 21 where there are 20 classes; 254 from a map that was scaled with smoothing
    """
    strange = _strange_values(file)
    if not strange or file.values is None or file.labels is None:
        return
    if _is_other_mode(file, _mode(file)):
        return  # MSK109 tells it: what is cut to 8 bits means nothing
    y, x = (int(number) for number in np.argwhere(np.isin(file.labels, [*strange]))[0])
    shown = few([f"{value} ({count} pixels)" for value, count in strange.items()], _SHOWN)
    yield Fault(file.at, f"values {shown}, first at x={x}, y={y}; expected {_ranges(file.values)}")


@rule("MSK120", "warning", fixes="safe")
def palette_not_official(file: MapFile) -> Faults:
    """The palette of a label map has other colours than its classes.

    Why: whoever looks at it sees other classes; a tool that goes by colours reads other classes.
    Fix: give it the palette; the values stay. Where its colours are those of other classes, a drawing program
    may have numbered them anew: then the colours are right, and the values are not.
    Example: index 1 as (255, 0, 0), which is no colour of VOC
    """
    if not file.colours or not _wants_palette(file) or _mode(file) != "P":
        return
    used = [value for value in file.counts if value < len(file.colours)]
    shown = {value: (*file.palette[value : value + 1], None)[0] for value in used}
    wrong = [value for value in used if shown[value] != file.colours[value]]
    if not wrong:
        return
    first, count = wrong[0], f"{len(wrong)} of {len(used)} indices that occur"
    text = f"{count} have another colour, {first} has {shown[first] or 'none'}"
    text += f"; expected {file.colours[first]}"
    if all(shown[value] in file.colours for value in wrong):
        names = [_called(file, file.colours.index(shown[value])) for value in wrong[:_SHOWN] if shown[value]]
        numbers = ", ".join(str(value) for value in wrong[:_SHOWN])
        text += f"; the colours of {numbers} are those of {', '.join(names)}"
        yield Fault(file.at, text)
        return
    yield Fault(file.at, text, fix=_palette_fix(file, "set the palette"))


@rule("MSK113", "info")
def missing_void(survey: Survey) -> Faults:
    """A label map has no pixel to be ignored, and most others of the data set have.

    Why: the others leave a border around objects out of training and evaluation; here it counts.
    Fix: look whether its annotator forgot it, or whether another tool made it.
    Example: a PNG in `SegmentationClass/` without any 255
    """
    maps = [item for item in survey.maps if item.has_border]
    without = [item for item in maps if not item.has_void]
    if 2 * len(without) > len(maps):
        return
    for item in without:
        others = f"{len(maps) - len(without)} of {len(maps)} maps have such pixels"
        text = f"no pixel of value {item.void} between classes and background"
        yield Fault(Location(item.name, image=item.image), f"{text}; {others}")


@rule("MSK114")
def class_object_disagree(maps: VocMaps) -> Faults:
    """SegmentationClass, SegmentationObject and the XML of an image say different things of its pixels.

    Why: semantic and instance training get different truths; an object's pixels are learned as another's.
    Fix: value k in SegmentationObject is the k-th `<object>` of the XML, and its pixels have its class in
    SegmentationClass; pixels to be ignored are 255 in both. Who adds or removes an object must renumber.
    Example: object 2 of the XML is a chair, and its pixels are of class dog
    """
    classes, objects = maps.classes.labels, maps.objects.labels
    if classes is None or objects is None or classes.shape != objects.shape:
        return  # which other rules tell
    where = maps.objects.at
    void = maps.objects.void
    # A class map may leave the rim of an object's own pixels to be ignored, which is a statement of its own.
    differ = (objects == void) & (classes != void) | (classes == void) & (objects == 0)
    if differ.any():
        text = f"{int(differ.sum())} pixels are to be ignored ({void}) in one of the two PNGs only"
        yield Fault(where, f"{text}; expected the same in both")
    if maps.moved:
        shifted = ", ".join(f"value {value} in that of object {k}" for value, k in maps.moved.items())
        text = f"pixels lie in the boxes of other objects: {shifted}"
        yield Fault(where, f"{text}; expected value k for object k")
    for value in np.unique(objects).tolist():
        if value not in (0, void):
            yield from _object_faults(maps, value, classes[objects == value])


def _object_faults(maps: VocMaps, value: int, classes: NDArray[Any]) -> Faults:
    """What is wrong with the pixels of one object. classes: their values in SegmentationClass."""
    number = maps.moved.get(value, value)
    where = replace(maps.objects.at, object=number)
    if maps.count is not None and value > maps.count and value not in maps.moved:
        text = f"{len(classes)} pixels of value {value}; expected none, for the XML has {maps.count} objects"
        yield Fault(where, text)
        return
    category = maps.categories.get(value)
    index = maps.indices.get(category) if category is not None else None
    wrong = classes[(classes != index) & (classes != maps.classes.void)]
    if index is not None and wrong.size:
        others = ", ".join(_called(maps.classes, other) for other in np.unique(wrong).tolist()[:_SHOWN])
        text = f"{wrong.size} of {len(classes)} pixels of value {value} are {others} in {maps.classes.name}"
        yield Fault(where, f"{text}; expected {index} ({category}), the class of object {number}")


def _strange_values(file: MapFile) -> dict[int, int]:
    """The values that mean nothing, with how many pixels have them."""
    labels = file.labels if file.values is not None and _mode(file) else None
    if labels is None or file.values is None:
        return {}
    if file.is_index:
        return {value: count for value, count in file.counts.items() if value not in file.values}
    values, times = np.unique(labels, return_counts=True)
    pairs = zip(values.tolist(), times.tolist(), strict=True)
    return {value: count for value, count in pairs if value not in file.values}


def _nearest(file: MapFile, colour: Colour) -> int:
    values = sorted(file.values) if file.values is not None else range(len(file.colours))
    known = np.array([file.colours[value] for value in values if value < len(file.colours)], dtype=np.int64)
    position = int(((known - colour) ** 2).sum(axis=1).argmin())
    return int([*values][position])


def _called(file: MapFile, value: int) -> str:
    name = file.names.get(value, "void" if value == file.void else "background" if value == 0 else "")
    return f"{value} ({name})" if name else str(value)


def _ranges(values: frozenset[int]) -> str:
    """Values as a message shows them: ``0 to 20 or 255``."""
    ordered = sorted(values)
    cuts = [0, *(k for k in range(1, len(ordered)) if ordered[k] != ordered[k - 1] + 1), len(ordered)]
    runs = [(ordered[first], ordered[last - 1]) for first, last in pairwise(cuts)]
    return " or ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


def _palette_fix(file: MapFile, summary: str) -> Fix:
    """A fix that holds the file without the pixels that were read of it."""
    return Fix(summary, partial(_with_palette, replace(file)), is_safe=True)


def _with_palette(file: MapFile) -> list[Edit]:
    """The edit that closes the palette: the same values, in mode P, with the colours of the format."""
    assert file.labels is not None
    return [as_palette(file.path, file.labels, file.colours)]
