"""What a part of a data set is made of, for rules: its errors, records and image files, and a table.

Formats say more than that in an ``inspect`` of their own (see ``Format``); this serves those that have none,
and the others as far as records go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from labelkit.errors import RecordError
from labelkit.findings import Location
from labelkit.formats import Part, Reader
from labelkit.formats._files import check_names
from labelkit.image_files import ImageFile
from labelkit.model import Record
from labelkit.table import ImageRow, table_of

Locate = Callable[[Record, int], Location]


def part_items(reader: Reader, part: Part, root: Path, locate: Locate | None = None) -> Iterator[object]:
    """A part's errors, records and image files, and its objects as a table.

    root: what names are relative to. locate: where an object of a record stands, by its position from 0; a
    function that pickles.
    """
    records = []
    for item in reader.read(part):
        yield item
        if not isinstance(item, Record):
            continue
        records.append(item)
        yield from image_file_of(reader, item, root)
    yield table_of(records, locate or by_image)


def image_file_of(reader: Reader, record: Record, root: Path) -> Iterator[ImageFile | RecordError]:
    """The image file of a record where it is there, or why nobody should look for it."""
    try:
        check_names(record, f"{root}:{record.image.path}")
        file = reader.image_file(record)
    except ValueError as error:
        yield RecordError(f"{root}:{record.image.path}", str(error), code="STR108")
        return
    except RecordError as error:
        yield error if error.code else RecordError(*error.args, code="STR108")
        return
    if file is not None:
        row = ImageRow(record.image.path, record.image.width, record.image.height, record.splits)
        yield ImageFile(row, file, relative(file, root))


def by_image(record: Record, position: int) -> Location:
    """Where an object stands, if all that is known is its image."""
    return Location(
        record.image.path, image=record.image.path, object=position + 1, box=box_at(record, position)
    )


def box_at(record: Record, position: int) -> tuple[float, float, float, float] | None:
    """The box of an object for its location."""
    box = record.objects[position].box
    return None if box is None else tuple(box)  # type: ignore[return-value]


def relative(file: Path, root: Path) -> str:
    """A file's path below the data set, or its own where it lies elsewhere."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
