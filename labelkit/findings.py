"""The one diagnostic type: losses of a conversion, structural oddities, and what rules find.

Codes are stable: three letters and three digits. Those of rules are in ``labelkit.rules``; those of
conversions in ``CODES``, with the name and the meaning that ``labelkit formats --codes`` prints. LOS1xx is
dropped, LOS2xx changed, LOS3xx derived; ODD is legal in its format but wrong, and converted as it is; CMP is
about pairing the images of two data sets; NOTE says what was assumed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

CODES: dict[str, tuple[str, str]] = {
    "LOS101": ("object-dropped", "the target has no place for this object"),
    "LOS102": ("label-dropped", "the target has no place for this image label"),
    "LOS103": ("map-dropped", "the target has no place for this pixel map"),
    "LOS104": ("class-dropped", "the target's class table has no such class"),
    "LOS105": ("field-dropped", "the target has no place for this field of an object or a label"),
    "LOS106": ("void-dropped", "the target cannot mark pixels as to be ignored"),
    "LOS107": ("mask-dropped", "the target can hold the object's box, but not its pixels"),
    "LOS108": ("native-dropped", "the source said more than the model has fields for"),
    "LOS109": ("box-dropped", "the target states pixels only, the box of a mask has no place"),
    "LOS110": ("split-dropped", "the target has no place for this split"),
    "LOS111": ("category-field-dropped", "the target has no place for this field of a category"),
    "LOS112": ("overlap-dropped", "pixels that two objects claim can have one owner in the target"),
    "LOS113": ("label-implied", "the target says this label by its objects, and not once more"),
    "LOS114": ("map-implied", "the map says no more than the objects do, and is not written"),
    "LOS115": ("false-dropped", "a flag that is false has no place, and its absence means the same"),
    "LOS116": ("extra-labels-dropped", "labels of a kind that labelkit has no type for"),
    "LOS201": ("geometry-changed", "the object's pixels are kept, its outline is not"),
    "LOS202": ("pixels-changed", "the object's pixels could not be kept exactly"),
    "LOS203": ("crowd-as-difficult", "a crowd becomes a difficult object"),
    "LOS204": ("path-changed", "the target's layout needs another file name"),
    "LOS205": ("void-as-unlabelled", "ignored pixels become unlabelled ones"),
    "LOS206": ("order-changed", "objects are in the order that the target paints them"),
    "LOS207": ("image-kept-as-is", "the target expects another image type; the original is kept"),
    "LOS208": ("class-mapped", "the class was renamed by the map that was asked for"),
    "LOS209": ("parts-joined", "an object of several parts became one outline"),
    "LOS210": ("image-order-changed", "the target keeps its images in an order of its own"),
    "LOS301": ("box-derived", "the target needs a box, made from the object's pixels"),
    "LOS302": ("map-derived", "the target needs a pixel map, made from the objects"),
    "LOS304": ("outline-derived", "the target needs a polygon, traced from the object's pixels"),
    "LOS305": ("area-derived", "the target's tools need an area, made from the object's shape"),
    "LOS306": ("instance-invented", "objects were made from connected pixels, as asked for"),
    "LOS307": ("derived-as-asked", "made from other labels, as asked for with --derive"),
    "ODD001": ("empty-box", "a box has no area, or a negative width or height"),
    "ODD002": ("box-outside", "a box leaves its image"),
    "ODD003": ("degenerate-ring", "a polygon's ring has fewer than three points or an odd count"),
    "ODD004": ("duplicate-annotation-id", "two annotations have one id"),
    "ODD005": ("annotation-id-zero", "COCO's evaluation scores annotation id 0 as unmatched"),
    "ODD006": ("image-missing", "the image file is not there"),
    "ODD007": ("image-empty", "the image file has no bytes"),
    "ODD008": ("polygon-png-disagree", "the polygons and the PNGs disagree; the truth that was chosen won"),
    "ODD009": ("carrier-unused", "the carrier's entry no longer belongs to any record"),
    "ODD011": ("mask-unowned", "pixels of an object that the annotation does not list"),
    "ODD012": ("carrier-unreadable", "the carrier cannot be read, and is left out"),
    "ODD013": ("image-misnamed", "the image file is of another type than its name says"),
    "ODD014": ("image-unreadable", "the image file is there, and cannot be shown"),
    "ODD015": ("image-stretched", "the image file has another size than its labels; it is drawn at theirs"),
    "ODD016": ("label-not-drawn", "the label cannot be drawn"),
    "ODD017": ("object-unseen", "no pixel of the object is visible, so that nothing of it is drawn"),
    "CMP101": ("image-ambiguous", "two images of one side could be this image of the other"),
    "CMP102": ("image-twice", "a data set has this image twice"),
    "CMP103": ("image-named-otherwise", "the two data sets give this image another suffix"),
    "CMP104": ("prediction-unknown", "a reviewed label is a prediction that was not compared"),
    "NOTE01": ("assumed", "the source does not say, and this was assumed"),
    "NOTE02": ("unchecked", "what was not asked for was not decoded, and so was not checked"),
    "NOTE03": ("read-as", "the model has no such shape, and it is read as one that has the same pixels"),
}


@dataclass(frozen=True, slots=True)
class Location:
    """Where something stands; what is not known is None.

    file: relative to the data set, or its name. line: from 1. offset: the byte in the file.
    element: the place inside, in the file's own terms (``annotations[3]``, ``object[2]/bndbox``).
    image: the record's path. object: its position in the image, from 1. id: the annotation's own.
    box: x, y, w, h in pixels of the image, and outline: rings x0, y0, x1, y1, … to be filled even-odd, for
    whoever draws them; the outline is no part of the place. is_whole: the file is the folder of the data set
    itself, by whatever name it has. other: a second object that is spoken of.
    """

    file: str
    line: int | None = None
    offset: int | None = None
    element: str | None = None
    image: str | None = None
    object: int | None = None
    id: int | str | None = None
    box: tuple[float, float, float, float] | None = None
    outline: tuple[tuple[float, ...], ...] = field(default=(), compare=False, repr=False)
    is_whole: bool = field(default=False, compare=False, repr=False)
    other: Location | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        inside = [self.element] if self.element else []
        inside += [f"id {self.id}"] if self.id is not None else []
        inside += [f"object {self.object}"] if self.object is not None and not inside else []
        inside += [f"byte {self.offset}"] if self.offset is not None else []
        line = f":{self.line}" if self.line is not None else ""
        return f"{self.file}{line}" + (f":{', '.join(inside)}" if inside else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth telling.

    code: a key of ``CODES``, or a rule's. place: file or image and, after a colon, the object. message: what
    happened. carried: whether the carrier brings it back (losses only). count: how many values it speaks of.
    at: the place in its parts (rules only).
    """

    code: str
    place: str
    message: str
    carried: bool | None = None
    count: int = 1
    at: Location | None = None

    @property
    def name(self) -> str:
        """The name that goes with the code of a conversion."""
        return CODES[self.code][0]


_POSITION = re.compile(r"\[\d+\]")


def fingerprint(finding: Finding) -> str:
    """32 hexadecimal digits that stay as they are while the data set changes elsewhere.

    Made of the code and of what names the place: the file (but not the folder that the data set is), the
    image, and the annotation's id with the field inside it, or where there is no id the element, or the
    object's position. Lines, bytes and boxes do not count, nor does the message unless nothing else names the
    place. Two findings can have one fingerprint (ids that are there twice): whoever compares counts how often
    each occurs.
    """
    at = finding.at
    if at is None:
        return _digest(finding.code, finding.place, finding.message)
    inside: str | int | None
    if at.id is not None:
        inside = _POSITION.sub("[]", at.element or "")  # it moves when others are added or removed
    elif at.element is not None:
        inside = at.element
    else:
        inside = at.object
    if inside is None and at.image is None:
        inside = finding.message
    return _digest(finding.code, "" if at.is_whole else at.file, at.image, at.id, inside)


def _digest(*parts: object) -> str:
    return blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


class Tell(Protocol):
    """How a function reports findings about the record in its hands."""

    def __call__(self, code: str, place: str, message: str, *, count: int = 1) -> None: ...
