"""New elements of an ``<image>``, as CVAT writes them: what a record's objects, labels and maps become."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from labelkit.formats._xml import escaped, quoted
from labelkit.formats.cvat.attributes import label_pairs, object_pairs, provenance_pairs, users_names
from labelkit.formats.cvat.declare import Declared
from labelkit.formats.cvat.shapes import ring_of, write_box, write_mask, write_polygon
from labelkit.model import ImageLabel, Object, Provenance, Record, SemanticMap
from labelkit.pixels import cell_runs, mask_runs

GAP = b"\n    "
_LOWEST = "-1"  # the z_order of maps: below every object that nobody moved
Pairs = list[tuple[str, str]]


class Text(NamedTuple):
    """An element to be written. pairs: the names and values of its attribute elements."""

    tag: str
    attributes: dict[str, str]
    pairs: Pairs

    def lines(self, gap: bytes) -> bytes:
        """Its bytes, where what stands beside it comes after that gap."""
        inner = [f"<attribute name={quoted(name)}>{escaped(text)}</attribute>" for name, text in self.pairs]
        body = b"".join(gap + b"  " + line.encode() for line in inner)
        return start_tag(self.tag, self.attributes) + body + gap + f"</{self.tag}>".encode()

    def declare(self, declared: Declared, known: Collection[str] = ()) -> None:
        """Tell which attributes its label needs. known: those that the label has had for it."""
        names = (name for name, _ in self.pairs if name not in known)
        can_be_map = self.tag in ("mask", "polygon")
        declared.add(self.attributes["label"], names, users_names(self.pairs, can_be_map=can_be_map))


def start_tag(tag: str, attributes: Mapping[str, str]) -> bytes:
    """The start of an element."""
    return f"<{tag}{''.join(f' {name}={quoted(text)}' for name, text in attributes.items())}>".encode()


def new_image(record: Record, native: Mapping[str, str], declared: Declared) -> bytes:
    """The image of a fitted record. native: attributes that it had, its id among them."""
    texts = [*map_texts(record), *(object_text(record, item) for item in record.objects)]
    texts += [label_text(label) for label in record.labels]
    for text in texts:
        text.declare(declared)
    attributes = {"id": ""} | dict(native) | image_attributes(record)
    body = b"".join(GAP + text.lines(GAP) for text in texts)
    return start_tag("image", attributes) + body + b"\n  </image>"


def image_attributes(record: Record) -> dict[str, str]:
    """What the start of an image says of a record."""
    image = record.image
    said = {"name": image.path}
    said |= {"subset": record.splits[0]} if record.splits else {}
    sides = {"width": image.width, "height": image.height}
    return said | {name: str(side) for name, side in sides.items() if side is not None}


def source_of(item: Provenance | None) -> str:
    """Whether a person has seen it."""
    return "auto" if item is not None and item.status == "pending" else "manual"


def object_text(record: Record, item: Object) -> Text:
    """A fitted object."""
    if item.kind == "box":
        tag, geometry = "box", write_box(item.box)
    elif (ring := ring_of(item.mask)) is not None:
        tag, geometry = "polygon", write_polygon(ring)
    else:
        tag, geometry = "mask", write_mask(mask_runs(record, item.mask), record.image.height or 0)
    attributes = {"label": item.category, "source": source_of(item.provenance)}
    attributes |= {"occluded": str(int(item.occluded is True)), **geometry, "z_order": "0"}
    return Text(tag, attributes, object_pairs(item))


def label_text(label: ImageLabel) -> Text:
    """A fitted image label."""
    attributes = {"label": label.category, "source": source_of(label.provenance)}
    return Text("tag", attributes, label_pairs(label))


def map_texts(record: Record) -> Iterator[Text]:
    """Fitted maps: a mask for each value."""
    for name, item in record.maps.items():
        if not isinstance(item, SemanticMap):
            continue
        for value, runs in sorted(cell_runs(item).items()):
            if value in item.classes:
                attributes = {"label": item.classes[value], "source": source_of(item.provenance)}
                attributes["occluded"] = "0"
                attributes |= write_mask(runs, record.image.height or 0) | {"z_order": _LOWEST}
                yield Text("mask", attributes, [("map", name), *provenance_pairs(item.provenance)])
