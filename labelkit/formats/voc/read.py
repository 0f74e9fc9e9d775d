"""Reading Pascal VOC: one survey of the whole set for its classes and its base, then image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from labelkit.errors import FormatError, RecordError
from labelkit.findings import Finding, Location
from labelkit.formats import Part, _files
from labelkit.formats._xml import XmlError, shared_tree
from labelkit.formats.voc.annotation import Said, SaidObject, read_annotation
from labelkit.formats.voc.facts import Facts, survey_of
from labelkit.formats.voc.images import ImageFolders
from labelkit.formats.voc.layout import (
    CLASSES,
    NUMBERS_FILE,
    OBJECTS,
    SETS,
    inside_folder,
    locate,
    walk,
)
from labelkit.formats.voc.maps import read_maps
from labelkit.formats.voc.pairing import owned_values
from labelkit.formats.voc.sets import Line, Sets, implied_values, read_sets
from labelkit.model import (
    BoundingBox,
    Cell,
    Header,
    Image,
    ImageLabel,
    Instance,
    InstanceMap,
    Mask,
    Object,
    PixelMap,
    Record,
)
from labelkit.model import Part as ObjectPart
from labelkit.pixels import image_size

PART = 500
_STATES: dict[int, Literal["present", "uncertain", "absent"]] = {1: "present", 0: "uncertain", -1: "absent"}


def open_set(
    path: Path,
    *,
    images_dir: Path | None = None,
    base: Annotated[
        Literal["auto", "1", "0"], "Where boxes start: 1 is official, auto looks at all of them."
    ] = "auto",
) -> VocReader:
    """Open a VOC data set. base: whether boxes start at 1 (the official way) or at 0; auto looks at them.

    Raises FormatError: no data set, several, or one whose classes cannot be known.
    """
    reader = VocReader(Path(path), images_dir, base)
    if reader.facts.broken:
        raise reader.facts.broken[0]
    return reader


class VocReader:
    """A VOC data set. Its parts are 500 images; its survey travels with it when it is pickled.

    Who reads records calls ``open_set``, which refuses what is broken.
    """

    def __init__(self, path: Path, images_dir: Path | None, base: str, facts: Facts | None = None) -> None:
        self.path = path
        self.images_dir = images_dir
        self.base = base
        self.layout = locate(path, images_dir)
        self.facts = facts or survey_of(self.layout, base, self.stems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.images_dir, self.base, self.facts)

    @property
    def header(self) -> Header:
        """Classes in the order of their indices."""
        return self.facts.header

    @property
    def notes(self) -> Sequence[Finding]:
        """What was assumed."""
        return self.facts.notes

    @cached_property
    def stems(self) -> frozenset[str]:
        """The ids that have an annotation or a PNG."""
        xml = (name.removesuffix(".xml") for name in walk(self.layout.annotations, ".xml"))
        png = (name.removesuffix(".png") for name in walk(self.layout.root / CLASSES, ".png"))
        objects = (name.removesuffix(".png") for name in walk(self.layout.root / OBJECTS, ".png"))
        return frozenset((*xml, *png, *objects))

    @cached_property
    def sets(self) -> Sets:
        """The lists of ImageSets."""
        return read_sets(self.layout.root / SETS, self.stems, self.facts.classes)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The index of each class."""
        return {category.name: index for index, category in enumerate(self.header.categories, 1)}

    @cached_property
    def _by_number(self) -> frozenset[str]:
        """The ids whose pixels belong to their objects by number, whatever the boxes say."""
        file = inside_folder(self.layout.root, NUMBERS_FILE)
        return frozenset(_files.read_text(file).splitlines()) if file else frozenset()

    @cached_property
    def images(self) -> ImageFolders:
        """Where its images lie."""
        return ImageFolders(self.layout.images, self.images_dir)

    def parts(self) -> Sequence[Part]:
        """The ids in order, 500 a part."""
        ids = sorted(self.stems.union(self.sets.lines))
        starts = range(0, len(ids) or (1 if self.sets.strays else 0), PART)
        return [
            Part(tuple(piece), start, len(piece)) for start in starts for piece in [ids[start : start + PART]]
        ]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """The records of a part; what is wrong with the lists themselves comes with the first."""
        if part.start == 0:
            yield from self.sets.strays
        for id_ in part.key:
            yield from self.read_one(id_)

    def read_one(self, id_: str) -> Iterator[Record | RecordError | Finding]:
        """The record of an image, and findings before it; or why there is none."""
        try:
            yield from self._record(id_)
        except RecordError as error:
            yield error
        except FormatError as error:
            yield RecordError(*error.args, code=error.code, at=error.at)
        except (ValueError, OSError) as error:
            yield RecordError(f"{self.layout.root}:{id_}", str(error))

    def image_file(self, record: Record) -> Path | None:
        """Where the image lies. Raises OutsideLinkError (see ``ImageFolders.file``)."""
        return self.images.file(record.image.path)

    def is_unfounded(self, id_: str) -> bool:
        """Whether nothing but lists knows an image: no annotation, no PNG and no image file."""
        return id_ not in self.stems and not self.images.suffixes(id_) and not self.images.is_name(id_)

    def at(self, id_: str, line: Line) -> Location:
        """Where a line of a list stands."""
        file = self.layout.root / SETS / f"{line.list}.txt"
        return Location(_files.relative(file, self.path), line=line.number, element=id_)

    # --- one record ---

    def _record(self, id_: str) -> Iterator[Record | Finding]:
        _files.safe_path(id_)
        if id_ in self.sets.faults:
            raise self.sets.faults[id_]
        text, said = self.annotation(id_)
        path = self.image_path(id_, said)
        maps, values = self.maps(id_)
        boxes = [item.box for item in said.objects] if said else []
        strange = sorted(value for value in values if value > len(boxes))
        if strange:
            numbers = ", ".join(str(value) for value in strange[:5])
            yield Finding(
                "ODD011",
                path,
                f"SegmentationObject has values without an object: {numbers}",
                count=len(strange),
            )
        owned = {value: value for value in values}
        owners = maps.get("objects")
        if isinstance(owners, InstanceMap) and id_ not in self._by_number:
            owned, doubt = owned_values(owners, values, boxes)
            if doubt:
                yield Finding("NOTE01", path, f"SegmentationObject: {doubt}")
        objects = tuple(
            object_of(item, number, owned.get(number))
            for number, item in enumerate(said.objects if said else (), 1)
        )
        own: dict[str, Any] = {} if text is None else {"xml": text}
        native = self.sets.native(id_)
        if native:
            own["sets"] = native
        yield Record(
            image=self._image(path, said),
            splits=self.sets.splits(id_),
            labels=self._labels(id_, objects, has_xml=said is not None),
            objects=objects,
            maps=maps,
            raw={"voc": own},
        )

    def annotation(self, id_: str) -> tuple[str | None, Said | None]:
        """The XML of an image, as text and as what it says. Raises RecordError."""
        file = inside_folder(self.layout.annotations, f"{id_}.xml")
        if file is None:
            return None, None
        data = _files.read_bytes(file)
        try:
            root = shared_tree(data)
        except XmlError as error:
            at = Location(_files.relative(file, self.path), line=error.line, offset=error.offset)
            expected = "an annotation in XML and UTF-8"
            raise RecordError(str(file), str(error), expected, code=error.code, at=at) from None
        said = read_annotation(root, self.facts.base, str(file))
        for position, item in enumerate(said.objects, 1):
            if item.category not in self.numbers:
                place, found = f"{file}:object {position}", f"unknown class {item.category!r}"
                raise RecordError(place, found, "a class of labelmap.txt", code="REF105")
        return data.decode(), said

    def image_path(self, id_: str, said: Said | None) -> str:
        """The path of an image, by which records know it. Raises RecordError: there are two."""
        suffix = said.suffix if said else None
        if said is None and self.images.is_name(id_):
            stem = id_[: id_.rindex(".")]
            if stem in self.stems or stem in self.sets.lines:
                found = f"two ids of one image: {stem!r} and {id_!r}"
                lines = self.sets.lines.get(id_)
                at = self.at(id_, lines[0]) if lines else None
                raise RecordError(id_, found, "ids without a suffix", code="STR106", at=at)
            return id_
        if suffix and self.images.seen(id_ + suffix):
            return _files.safe_path(id_ + suffix)
        present = self.images.suffixes(id_)
        if len(present) > 1 and not suffix:
            names = " and ".join(id_ + item for item in present)
            found = f"two images of one id: {names}"
            second = self.images.seen(id_ + present[1])
            at = Location(_files.relative(second, self.path)) if second is not None else None
            raise RecordError(id_, found, "one image an id", "rename one", code="STR106", at=at)
        if len(present) == 1:
            return id_ + present[0]
        return _files.safe_path(id_ + (suffix or ".jpg"))

    def _image(self, path: str, said: Said | None) -> Image:
        """The image and its size: from the XML, else from the image file where it is there."""
        width, height = (said.width, said.height) if said else (None, None)
        file = self.images.seen(path) if width is None or height is None else None
        if file is not None and file.stat().st_size:
            try:
                width, height = image_size(file)
            except ValueError as error:
                expected = "an image, for nothing else says its size"
                raise RecordError(str(file), str(error), expected, code="IMG101") from None
        return Image(path=path, width=width, height=height)

    def _labels(self, id_: str, objects: tuple[Object, ...], *, has_xml: bool) -> tuple[ImageLabel, ...]:
        """What the class lists say beyond what the objects imply, in the order of classes."""
        values = {found.category: value for found, value in self.sets.values.get(id_, ())}
        if not values:
            return ()
        implied = implied_values(objects)
        return tuple(
            ImageLabel(category=name, state=_STATES[values[name]])
            for name in sorted(values, key=lambda name: self.numbers[name])
            if not has_xml or implied.get(name, -1) != values[name]
        )

    def maps(self, id_: str) -> tuple[dict[str, PixelMap], frozenset[int]]:
        """The pixel maps of an image, and the values of its objects that occur. Raises RecordError."""
        return read_maps(self.layout.root, id_, self.header.categories)


def object_of(item: SaidObject, number: int, value: int | None) -> Object:
    """An object as the model has it. value: that of its pixels in the object PNG."""
    parts = tuple(
        ObjectPart(name=part.name, box=part.box, raw={"voc": {"index": index}})
        for index, part in enumerate(item.parts)
    )
    fields: dict[str, Any] = {
        "category": item.category,
        "box": item.box,
        "pose": item.pose,
        "truncated": item.truncated,
        "occluded": item.occluded,
        "difficult": item.difficult,
        "parts": parts or None,
        "raw": {"voc": {"index": number - 1}},
    }
    if value is not None:
        return Instance(mask=Mask.of(Cell("objects", value)), **fields)
    return BoundingBox(**fields)
