"""Writing the annotation XML of one image: the native text where it says so, else with just the differences.

New XML has tabs, no declaration, no attributes and no self-closed tags, for the devkit's reader knows none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from labelkit.errors import RecordError
from labelkit.formats._corners import Base, box_texts, decimal_of
from labelkit.formats._xml import (
    Edit,
    Element,
    appended,
    apply,
    escaped,
    leaf,
    parse,
    removed,
    replaced,
    reseated,
    space_before,
    span,
)
from labelkit.formats.voc.annotation import FLAGS, Said, SaidObject, SaidPart, corner_texts, read_annotation
from labelkit.formats.voc.corners import CORNERS
from labelkit.model import Box, Image, Object, Part, Record


def annotation_bytes(record: Record, native: str | None, base: Base, folder: str) -> bytes:
    """The annotation of a fitted record: the native text where it says so, else with just the differences."""
    if native is not None:
        data = native.encode("utf-8", "surrogatepass")
        try:
            said = read_annotation(parse(data), base, "")
            if _says(said, record):
                return data
            if said.root.children:
                return _patched(data, said, record, base)
        except (ValueError, RecordError):  # a carrier may say anything
            pass
    return _new_annotation(record, base, folder).encode()


def _says(said: Said, record: Record) -> bool:
    return (
        (said.width, said.height) == (record.image.width, record.image.height)
        and _suffix_says(said, record.image)
        and len(said.objects) == len(record.objects)
        and all(
            _index(item.raw) == position and _object_says(old, item)
            for position, (old, item) in enumerate(zip(said.objects, record.objects, strict=True))
        )
    )


def _suffix_says(said: Said, image: Image) -> bool:
    return (said.suffix or ".jpg") == PurePosixPath(image.path).suffix


def _index(raw: dict[str, object]) -> int | None:
    """Which of the native objects (or parts) this one was, from 0."""
    own = raw.get("voc")
    index = own.get("index") if isinstance(own, dict) else None
    return index if isinstance(index, int) and index >= 0 else None


def _object_says(old: SaidObject, item: Object) -> bool:
    return (
        old.category == item.category
        and old.box == item.box
        and old.pose == item.pose
        and old.truncated == item.truncated
        and old.occluded == item.occluded
        and old.difficult == item.difficult
        and _parts_say(old.parts, item.parts)
    )


def _parts_say(old: tuple[SaidPart, ...], parts: tuple[Part, ...] | None) -> bool:
    parts = parts or ()
    return len(old) == len(parts) and all(
        before.name == part.name and before.box == part.box for before, part in zip(old, parts, strict=True)
    )


def _patched(data: bytes, said: Said, record: Record, base: Base) -> bytes:
    root = said.root
    gap = space_before(data, root.children[0]) if root.children else b"\n\t"
    edits = list(_patched_head(data, said, record, gap))
    texts = []
    for item in record.objects:
        index = _index(item.raw)
        if index is not None and index < len(said.objects):
            texts.append(_patched_object(data, said.objects[index], item, base))
        else:
            texts.append(_indented(_object_lines(item, base), gap))
    edits += reseated(data, root, [item.element for item in said.objects], texts, gap)
    return apply(data, edits)


def _patched_head(data: bytes, said: Said, record: Record, gap: bytes) -> Iterator[Edit]:
    if not _suffix_says(said, record.image):
        name = PurePosixPath(record.image.path).name
        element = said.root.find("filename")
        if element is None:
            yield appended(data, said.root, gap + leaf("filename", name).encode())
        else:
            yield replaced(data, element, name)
    size = said.root.find("size")
    sides = [("width", said.width, record.image.width), ("height", said.height, record.image.height)]
    if size is None or not size.children:
        lines = _size_lines(record.image)
        if size is not None and lines:
            start, _, _, end = span(data, size)
            yield start, end, _indented(lines, gap)
        elif lines:
            yield appended(data, said.root, gap + _indented(lines, gap))
        return
    for tag, before, now in sides:
        element = size.find(tag)
        if before == now:
            continue
        if element is None:
            yield appended(data, size, space_before(data, size.children[0]) + leaf(tag, str(now)).encode())
        else:
            yield replaced(data, element, str(now or 0))


def _patched_object(data: bytes, old: SaidObject, item: Object, base: Base) -> bytes:
    start, _, _, end = span(data, old.element)
    if _object_says(old, item):
        return data[start:end]
    edits: list[Edit] = []
    if old.category != item.category:
        edits += _renamed(data, old.element, item.category)
    if item.box is not None and old.box != item.box:
        edits += _moved(data, old.element, item.box, base)
    edits += _patched_leaf(data, old.element, "pose", old.pose, item.pose)
    for tag in FLAGS:
        before, now = getattr(old, tag), getattr(item, tag)
        edits += _patched_leaf(data, old.element, tag, _flag_text(before), _flag_text(now))
    if not _parts_say(old.parts, item.parts):
        edits += _patched_parts(data, old, item.parts or (), base)
    return apply(data, edits, start, end)


def _renamed(data: bytes, element: Element, name: str) -> list[Edit]:
    child = element.find("name")
    return [replaced(data, child, name)] if child else []


def _moved(data: bytes, element: Element, box: Box, base: Base) -> list[Edit]:
    corners = element.find("bndbox")
    if corners is None:
        return []
    edits = []
    for tag, before, now in zip(CORNERS, corner_texts(corners), box_texts(box, base), strict=True):
        child = corners.find(tag)
        if child is not None and decimal_of(before) != decimal_of(now):
            edits.append(replaced(data, child, now))
    return edits


def _flag_text(flag: bool | None) -> str | None:
    return None if flag is None else str(int(flag))


def _patched_leaf(data: bytes, parent: Element, tag: str, before: str | None, now: str | None) -> list[Edit]:
    if before == now:
        return []
    child, corners = parent.find(tag), parent.find("bndbox")
    if now is None:
        return [removed(data, child)] if child else []
    if child is not None:
        return [replaced(data, child, now)]
    if corners is None:
        return []
    text = leaf(tag, now).encode() + space_before(data, corners)
    return [(corners.start, corners.start, text)]


def _patched_parts(data: bytes, old: SaidObject, parts: tuple[Part, ...], base: Base) -> list[Edit]:
    gap = space_before(data, old.element.children[0])
    texts = []
    for part in parts:
        index = _index(part.raw)
        if index is not None and index < len(old.parts):
            before = old.parts[index]
            start, _, _, end = span(data, before.element)
            edits = _renamed(data, before.element, part.name) if before.name != part.name else []
            edits += _moved(data, before.element, part.box, base) if before.box != part.box else []
            texts.append(apply(data, edits, start, end))
        else:
            texts.append(_indented(_part_lines(part, base), gap))
    return reseated(data, old.element, [item.element for item in old.parts], texts, gap)


def _indented(lines: list[str], gap: bytes) -> bytes:
    """Lines as they follow one another at the place of a gap; their own tabs stay."""
    return (
        gap.join(line.encode() for line in lines)
        if b"\n" in gap
        else "".join(line.lstrip("\t") for line in lines).encode()
    )


# --- new XML ---------------------------------------------------------------------------------------------


def _new_annotation(record: Record, base: Base, folder: str) -> str:
    path = record.image.path
    lines = [leaf("folder", folder), leaf("filename", PurePosixPath(path).name)]
    lines += _size_lines(record.image)
    lines.append(leaf("segmented", str(int(bool(record.maps)))))
    for item in record.objects:
        lines += _object_lines(item, base)
    return "<annotation>\n" + "".join(f"\t{line}\n" for line in lines) + "</annotation>\n"


def _size_lines(image: Image) -> list[str]:
    """Width and height where known. The depth is not: the model does not say how many channels there are."""
    sides = [("width", image.width), ("height", image.height)]
    known = [f"\t{leaf(tag, str(side))}" for tag, side in sides if side is not None]
    return ["<size>", *known, "</size>"] if known else []


def _object_lines(item: Object, base: Base) -> list[str]:
    lines = ["<object>", "\t" + leaf("name", item.category)]
    if item.pose is not None:
        lines.append("\t" + leaf("pose", item.pose))
    for tag in FLAGS:
        text = _flag_text(getattr(item, tag))
        if text is not None:
            lines.append("\t" + leaf(tag, text))
    if item.box is None:
        raise ValueError("an object without a box was not fitted to VOC")
    lines += _box_lines(item.box, base)
    for part in item.parts or ():
        lines += ["\t" + line for line in _part_lines(part, base)]
    return [*lines, "</object>"]


def _part_lines(part: Part, base: Base) -> list[str]:
    return ["<part>", f"\t<name>{escaped(part.name)}</name>", *_box_lines(part.box, base), "</part>"]


def _box_lines(box: Box, base: Base) -> list[str]:
    xmin, ymin, xmax, ymax = box_texts(box, base)
    return [
        "\t<bndbox>",
        f"\t\t<xmin>{xmin}</xmin>",
        f"\t\t<ymin>{ymin}</ymin>",
        f"\t\t<xmax>{xmax}</xmax>",
        f"\t\t<ymax>{ymax}</ymax>",
        "\t</bndbox>",
    ]
