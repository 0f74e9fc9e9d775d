"""What a part of a data set is made of, for rules: its errors, records and image files, and a table.

Formats say more than that in an ``inspect`` of their own (see ``Format``); this serves those that have none,
and the others as far as records go.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from labelkit.errors import LabelkitError, RecordError
from labelkit.findings import Location
from labelkit.formats import Part, Reader
from labelkit.formats._files import OutsideLinkError, check_names, relative
from labelkit.image_files import ImageFile
from labelkit.map_files import MapFile
from labelkit.model import Png, Record
from labelkit.table import image_row, table_of

Locate = Callable[[Record, int], Location]


def part_items(reader: Reader, part: Part, root: Path, locate: Locate | None = None) -> Iterator[object]:
    """A part's errors, records, map files and image files, and its objects as a table.

    root: what names are relative to. locate: where an object of a record stands, by its position from 0; a
    function that pickles.
    """
    records = []
    for item in reader.read(part):
        yield item
        if not isinstance(item, Record):
            continue
        records.append(item)
        yield from map_files_of(item, root)
        yield from image_file_of(reader, item, root)
    yield table_of(records, locate or by_image)


def map_files_of(record: Record, root: Path) -> Iterator[MapFile]:
    """The PNGs of a record's maps, of which nothing more is known than that they should be of its size."""
    row = image_row(record)
    for item in record.maps.values():
        if isinstance(item.source, Png):
            path = Path(item.source.path)
            yield MapFile(row, path, relative(path, root.absolute()), modes=())


def image_file_of(reader: Reader, record: Record, root: Path) -> Iterator[ImageFile | RecordError]:
    """The image file of a record where it is there, or why nobody should look for it."""
    place = f"{root}:{record.image.path}"
    try:
        check_names(record, place)
        file = reader.image_file(record)
    except OutsideLinkError as link:
        at = Location(relative(link.path, root), image=record.image.path)
        yield RecordError(place, link.found, code="STR108", at=at)
        return
    except ValueError as error:
        yield RecordError(place, str(error), code="STR108")
        return
    except RecordError as error:
        yield error if error.code else RecordError(*error.args, code="STR108")
        return
    if file is not None:
        yield ImageFile(image_row(record), file, relative(file, root))


def by_image(record: Record, position: int) -> Location:
    """Where an object stands, if all that is known is its image."""
    return Location(
        record.image.path, image=record.image.path, object=position + 1, box=box_at(record, position)
    )


def box_at(record: Record, position: int) -> tuple[float, float, float, float] | None:
    """The box of an object for its location."""
    box = record.objects[position].box
    return None if box is None else tuple(box)  # type: ignore[return-value]


def placed(error: LabelkitError, root: Path) -> LabelkitError:
    """An error that knows its place in its parts, the file below the data set."""
    if error.at is not None:
        return error
    return type(error)(*error.args, code=error.code, at=place_of(error.place, root))


def of_image(error: LabelkitError, record: Record, root: Path) -> LabelkitError:
    """An error that says of which image it is."""
    known = placed(error, root)
    assert known.at is not None
    at = replace(known.at, image=known.at.image or record.image.path)
    return type(error)(*error.args, code=error.code, at=at)


_LINE = re.compile(r"(?:line )?([0-9]{1,18})")
_BYTE = re.compile(r"byte ([0-9]{1,18})")


def place_of(text: str, root: Path) -> Location:
    """The place that an error's text means: a file, and after a colon a line, a byte or an element.

    The file is the longest beginning of the text that is there, for names may have colons.
    """
    folder = root if root.is_dir() else root.parent
    cuts = [len(text), *(cut.start() for cut in reversed([*re.finditer(":", text)]))]
    for cut in cuts:
        file = folder / text[:cut]
        if cut and os.path.lexists(file):  # Path's own raise for names that no system can have
            name = relative(file, folder) if file != folder else folder.name
            return _inside(name, text[cut + 1 :], is_file=file.is_file())
    return Location(text.removeprefix(f"{folder}/"))  # of what is not there, or in a folder that is shut


def _inside(file: str, rest: str, *, is_file: bool) -> Location:
    """A place in a file; a folder has no lines, and what follows it is the name of a record."""
    if is_file and (line := _LINE.fullmatch(rest)):
        return Location(file, line=int(line[1]))
    if is_file and (byte := _BYTE.fullmatch(rest)):
        return Location(file, offset=int(byte[1]))
    return Location(file, element=rest or None)
