"""Names in Pascal VOC: its classes and their colours, ``labelmap.txt``, and names that become file names.

Sources: the development kit (VOClabelcolormap, the list of 20 classes) and FORMATS 2.1, 2.4. ``labelmap.txt``
(``name:r,g,b:parts:actions``, the background first) is the convention of CVAT and Datumaro for other classes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from labelkit.errors import FormatError
from labelkit.formats._xml import writable
from labelkit.model import Category, Header
from labelkit.pixels import Colour

OFFICIAL = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
VOID = 255  # the index of pixels that are to be ignored
MOST = 254  # the last index that can be a class or an object

_UNSAFE = re.compile(r"[/\\%\x00-\x1f\x7f]|^\.")
_ESCAPED = re.compile(r"%(2F|5C|25|2E|7F|[01][0-9A-F])")


@cache
def colormap() -> tuple[Colour, ...]:
    """The official colour of every index. Source: VOClabelcolormap."""
    return tuple(_colour(index) for index in range(256))


def _colour(index: int) -> Colour:
    red = green = blue = 0
    for bit in range(7, -1, -1):
        red |= (index & 1) << bit
        green |= (index >> 1 & 1) << bit
        blue |= (index >> 2 & 1) << bit
        index >>= 3
    return red, green, blue


def palette(categories: Sequence[Category]) -> tuple[Colour, ...]:
    """The colour of every index, where categories may have colours of their own."""
    colours = list(colormap())
    for index, category in enumerate(categories[:MOST], 1):
        if category.colour is not None:
            colours[index] = category.colour
    return tuple(colours)


def needs_labelmap(header: Header) -> bool:
    """Whether the official list does not say these classes, in this order and in these colours."""
    names = tuple(category.name for category in header.categories)
    return names != OFFICIAL or any(category.colour for category in header.categories)


# --- labelmap.txt -----------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A line of labelmap.txt; parts and actions are kept as they were written."""

    name: str
    colour: Colour | None
    rest: str = ":"


def parse_labelmap(text: str, place: str) -> tuple[Entry, ...]:
    """The classes of a labelmap.txt, without the background. Raises FormatError that names the line."""
    entries: list[Entry] = []
    first = True
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = _entry(line.strip(), f"{place}:line {number}")
        background = first and entry.name == "background"
        first = False
        if background:
            continue
        if any(other.name == entry.name for other in entries):
            found = f"class {entry.name!r} twice"
            raise FormatError(f"{place}:line {number}", found, "names once each", code="CAT101")
        index = len(entries) + 1
        official = colormap()[index] if index <= MOST else None
        entries.append(entry._replace(colour=None) if entry.colour == official else entry)
    return tuple(entries)


def _entry(line: str, place: str) -> Entry:
    # From the right, for a name may have colons.
    fields = line.rsplit(":", 3) if line.count(":") >= 3 else [*line.split(":"), "", "", ""][:4]
    name, numbers, parts, actions = fields
    if not name:
        raise FormatError(place, "a class without a name", "name:r,g,b:parts:actions", code="CAT102")
    if not numbers.strip():
        return Entry(name, None, f"{parts}:{actions}")
    values = [int(text) for text in numbers.split(",") if re.fullmatch(r"\s*[0-9]{1,3}\s*", text, re.ASCII)]
    if len(values) != 3 or numbers.count(",") != 2 or max(values) > 255:
        raise FormatError(place, f"colour {numbers!r}", "three numbers from 0 to 255, as in 128,0,0")
    return Entry(name, (values[0], values[1], values[2]), f"{parts}:{actions}")


def native_labelmap(header: Header) -> tuple[str, tuple[Entry, ...]] | None:
    """The labelmap.txt that the classes were read from, as text and entries, if there was one."""
    own = header.raw.get("voc")
    text = own.get("labelmap") if isinstance(own, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return text, parse_labelmap(text, "labelmap.txt")
    except FormatError:  # a carrier may say anything
        return None


def labelmap_text(header: Header) -> str:
    """The labelmap.txt of a header: the native text where it still says these classes and colours."""
    native = native_labelmap(header)
    wanted = [(category.name, category.colour) for category in header.categories]
    rest: dict[str, str] = {}
    if native is not None:
        if [(entry.name, entry.colour) for entry in native[1]] == wanted:
            return native[0]
        rest = {entry.name: entry.rest for entry in native[1]}
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    colours = palette(header.categories)
    for index, (name, colour) in enumerate(wanted, 1):
        shown = colours[index] if index <= MOST else colour
        numbers = ",".join(str(number) for number in shown) if shown else ""
        lines.append(f"{name}:{numbers}:{rest.get(name, ':')}")
    return "\n".join(lines) + "\n"


def unwritable_name(name: str) -> str | None:
    """Why VOC cannot hold a name of a class (readers trim names, and a labelmap has one a line), or None."""
    if name != name.strip():
        return "has spaces at its ends"
    if len(name.splitlines()) > 1 or not writable(name):
        return "has a line break or a control character"
    if name.startswith("#"):
        return "starts like a comment of labelmap.txt"
    return None


# --- names of files ---------------------------------------------------------------------------------------


def quote(name: str) -> str:
    """A class or a split as a part of a file name: what would leave the folder is written as %2F."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)


def unquote(text: str) -> str:
    """The name that ``quote`` wrote."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
