"""Where an object of a record stands in its annotation's file."""

from __future__ import annotations

from labelkit.findings import Location
from labelkit.formats._inspect import box_at, by_image
from labelkit.formats._xml import Element, line_of, shared_tree
from labelkit.formats.voc.annotation import children
from labelkit.formats.voc.layout import id_of
from labelkit.model import Record


def locate(record: Record, position: int, folder: str) -> Location:
    """Where an object's box stands. folder: of the annotations, with a "/" at its end where it has a name."""
    data, root = parsed(record)
    if data is None or root is None:
        return by_image(record, position)
    number = number_of(record, position)
    element = children(root, "object")[number - 1]
    box = element.find("bndbox") or element
    return Location(
        f"{folder}{id_of(record.image.path)}.xml",
        line=line_of(data, box.start),
        offset=box.start,
        element=f"object[{number}]/bndbox",
        image=record.image.path,
        object=number,
        box=box_at(record, position),
    )


def number_of(record: Record, position: int) -> int:
    """The number of an object among those of its XML, from 1."""
    number: int = record.objects[position].raw["voc"]["index"]
    return number + 1


def parsed(record: Record) -> tuple[bytes | None, Element | None]:
    """The bytes of a record's annotation and the tree that they are; None, None where it has none."""
    text = record.raw["voc"].get("xml")
    if text is None:
        return None, None
    data = text.encode()
    return data, shared_tree(data)
