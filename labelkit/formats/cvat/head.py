"""Writing what stands before the images: the native head where it says the labels, else what differs.

Labels declare what new elements need (see ``declare``), those that have declared it keep it as it is. A new
head is that of a project where images have subsets, for only projects have them, and else that of a task.
"""

from __future__ import annotations

from collections.abc import Sequence

from labelkit.formats._xml import (
    Edit,
    Element,
    appended,
    apply,
    leaf,
    removed,
    replaced,
    reseated,
    space_before,
    span,
)
from labelkit.formats.cvat.declare import Attribute, Declared
from labelkit.formats.cvat.document import CLOSE, colour_of, declared, head_tree, labels_of
from labelkit.model import Category, Header

_STEP = "  "


def head_bytes(header: Header, native: str | None, needed: Declared, subsets: Sequence[str]) -> bytes:
    """The head of a data set.

    needed: what new elements need. subsets: those of all images.
    """
    if native is not None:
        try:
            data, root = head_tree(native.encode())
            if root.tag == "annotations":
                return _patched(data, root, header, needed)
        except ValueError:  # a carrier may say anything
            pass
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "  <version>1.1</version>",
        "  <meta>",
    ]
    lines += [2 * _STEP + line for line in _holder_lines(header.categories, needed, subsets)]
    return "\n".join([*lines, "  </meta>"]).encode()


def _holder_lines(categories: Sequence[Category], needed: Declared, subsets: Sequence[str]) -> list[str]:
    labels = [_STEP + line for line in _labels_lines(categories, needed)]
    if not subsets:
        return ["<task>", "  <mode>annotation</mode>", *labels, "</task>"]
    tasks: list[str] = []
    for subset in subsets:
        task = ["<task>", "  <mode>annotation</mode>", _STEP + leaf("subset", subset), "</task>"]
        tasks += [2 * _STEP + line for line in task]
    return ["<project>", *labels, "  <tasks>", *tasks, "  </tasks>", "</project>"]


def _labels_lines(categories: Sequence[Category], needed: Declared) -> list[str]:
    lines = [line for each in categories for line in _label_lines(each, needed.of(each.name))]
    return ["<labels>", *(_STEP + line for line in lines), "</labels>"]


def _label_lines(category: Category, attributes: Sequence[Attribute]) -> list[str]:
    colour = [leaf("color", _colour_text(category.colour))] if category.colour else []
    inner = [leaf("name", category.name), *colour, leaf("type", "any"), *_attributes_lines(attributes)]
    return ["<label>", *(_STEP + line for line in inner), "</label>"]


def _attributes_lines(attributes: Sequence[Attribute]) -> list[str]:
    lines = [line for each in attributes for line in _attribute_lines(each)]
    return ["<attributes>", *(_STEP + line for line in lines), "</attributes>"]


def _attribute_lines(each: Attribute) -> list[str]:
    inner = [leaf("name", each.name), leaf("mutable", "False"), leaf("input_type", each.input_type)]
    inner += [leaf("default_value", each.default), leaf("values", "\n".join(each.values))]
    return ["<attribute>", *(_STEP + line for line in inner), "</attribute>"]


def _colour_text(colour: tuple[int, int, int]) -> str:
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


# --- native ------------------------------------------------------------------------------------------------


def _patched(data: bytes, root: Element, header: Header, needed: Declared) -> bytes:
    own = header.raw.get("cvat")
    used = own.get("used") if isinstance(own, dict) else None
    labels = labels_of(root)
    edits: list[Edit] = []
    if labels is not None:
        edits += _label_edits(data, labels, header.categories, needed)
    elif used != [each.name for each in header.categories] or any(each.colour for each in header.categories):
        edits.append(_labels_added(data, root, header.categories, needed))
    return apply(data, edits)[: -len(CLOSE)]


def _label_edits(
    data: bytes, labels: Element, categories: Sequence[Category], needed: Declared
) -> list[Edit]:
    native = {label.value("name") or "": label for label in declared(labels)}
    if _is_closed(data, labels):
        if not categories:
            return []
        start, _, _, end = span(data, labels)
        gap = space_before(data, labels)
        return [(start, end, gap.join(line.encode() for line in _labels_lines(categories, needed)))]
    gap = next((space_before(data, label) for label in labels.children), space_before(data, labels) + b"  ")
    texts = []
    for category in categories:
        label, attributes = native.get(category.name), needed.of(category.name)
        if label is None:
            texts.append(gap.join(line.encode() for line in _label_lines(category, attributes)))
        else:  # no object can become a skeleton
            is_skeleton = label.word("type") == "skeleton"
            texts.append(_label_bytes(data, label, category, () if is_skeleton else attributes))
    return reseated(data, labels, list(native.values()), texts, gap)


def _label_bytes(data: bytes, label: Element, category: Category, attributes: Sequence[Attribute]) -> bytes:
    """A native label with its colour, and with the attributes that it lacks."""
    start, _, _, end = span(data, label)
    edits: list[Edit] = []
    colour, first = label.find("color"), label.children[0]
    gap = space_before(data, first)
    if category.colour != colour_of(label):
        text = "" if category.colour is None else _colour_text(category.colour)
        if colour is not None:
            edits.append(replaced(data, colour, text) if text else removed(data, colour))
        else:
            place = span(data, first)[3]
            edits.append((place, place, gap + leaf("color", text).encode()))
    home = label.find("attributes")
    there = {child.value("name") for child in home.children} if home is not None else set()
    missing = [each for each in attributes if each.name not in there]
    if missing and home is not None and not _is_closed(data, home):
        step = gap + b"  "
        inner = [line for each in missing for line in _attribute_lines(each)]
        edits.append(appended(data, home, b"".join(step + line.encode() for line in inner)))
    elif missing:
        lines = gap.join(line.encode() for line in _attributes_lines(missing))
        if home is not None:  # <attributes/>
            at, _, _, stop = span(data, home)
            edits.append((at, stop, lines))
        else:
            edits.append(appended(data, label, gap + lines))
    return apply(data, edits, start, end)


def _labels_added(data: bytes, root: Element, categories: Sequence[Category], needed: Declared) -> Edit:
    """The edit that gives labels to a head without any: in the meta that is there, or in a new one."""
    metas = [child for child in root.children if child.tag == "meta" and not _is_closed(data, child)]
    if not metas:
        lines = ["<meta>", *(_STEP + line for line in _holder_lines(categories, needed, ())), "</meta>"]
        return appended(data, root, b"".join(b"\n  " + line.encode() for line in lines))
    holders = [child for child in metas[0].children if child.tag in ("task", "project", "job")]
    holder = next((each for each in holders if not _is_closed(data, each)), metas[0])
    gap = next((space_before(data, child) for child in holder.children), b"\n    ")
    lines = _labels_lines(categories, needed)
    return appended(data, holder, b"".join(gap + line.encode() for line in lines))


def _is_closed(data: bytes, element: Element) -> bool:
    """Whether an element is one tag: <labels/>."""
    _, inner, _, end = span(data, element)
    return inner == end
