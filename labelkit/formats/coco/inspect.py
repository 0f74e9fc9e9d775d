"""A COCO data set for rules: its documents, their objects as tables, its images, and what else is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Change, Edit
from labelkit.errors import FormatError, LabelkitError, RecordError
from labelkit.findings import Location
from labelkit.formats import Parcel, Total
from labelkit.formats._files import OutsideLinkError, relative, safe_path
from labelkit.formats.coco.catalogue import Source, check_truth
from labelkit.formats.coco.columns import OBJECT_ROLES
from labelkit.formats.coco.documents import json_files
from labelkit.formats.coco.edits import change_edits, said_of
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.mask_column import Masks, Runs
from labelkit.formats.coco.native import is_key
from labelkit.formats.coco.places import Places, root_of
from labelkit.formats.coco.raw_document import CocoDocument, CocoSet
from labelkit.formats.coco.raw_panoptic import PanopticImage, panoptic_images, stuff_images
from labelkit.formats.coco.read import CocoReader
from labelkit.image_files import ImageFile
from labelkit.model import Category, Header, Layer, Layers, Record
from labelkit.pixels import layer_runs
from labelkit.table import ImageRow, Names, Table

_PER_PARCEL = 50  # PNGs
_WANTED = "missing for evaluation"  # a flaw that readers do without
_IN_PLACE = re.compile(r"(?: \(id .*\))?, byte [0-9]+$")  # what a reader says behind an annotation's place
_PER_TABLE = 2000  # images whose objects are looked at together
_RECORD_ROLES = ("panoptic", "stuff", "labels")  # what they say is in records: labels and maps


def inspect(
    path: Path, *, images_dir: Path | None = None, gt: Path | None = None, roles: str | None = None
) -> Iterator[object]:
    """All that a COCO data set is made of, file by file."""
    check_truth(gt)
    root = root_of(path)
    documents: list[CocoDocument] = []
    told: set[str] = set()
    truth = None
    if gt is not None:
        try:
            truth = CocoDocument(Index(gt), gt.parent)
        except FormatError as error:
            yield error
            told.add(error.place)
    for file in json_files(path):
        try:
            index = Index(file)
        except FormatError as error:
            yield error
            told.add(error.place)
            continue
        document = CocoDocument(index, root, truth)
        if index.is_coco and (roles is None or document.role in roles.split(",")):
            documents.append(document)
    if len({document.split for document in documents}) > 1:
        for document in documents:
            document.prefix = document.split
    yield _total(documents)
    names = dict.fromkeys(entry.name for each in documents for entry in each.categories if entry.name)
    yield Header(categories=tuple(Category(name=name) for name in names))
    places = Places(path, images_dir, gt, [document.index.path for document in documents])
    seen: set[str] = set()
    broken: set[str] = set()  # images of which a layer of stuff cannot be decoded, as rules tell
    for document in documents:
        yield document
        start = 0
        for table in tables(document):
            yield table
            yield from _image_files(document, start, start + _PER_TABLE, places, root, seen)
            start += _PER_TABLE
        if document.role == "panoptic":
            yield from _panoptic(document, places, root, told)
        elif document.role == "stuff":
            for image in stuff_images(document, _image_rows(document)):
                yield image
                for at, runs in zip(image.at, image.runs, strict=True):
                    if runs is None:
                        broken.add(image.row.path)
                        told.add(f"{document.index.path}:{at.element}")
        if document.role in _RECORD_ROLES:
            told.update(_told_by(document))
    yield CocoSet(documents)
    said = sorted({document.role for document in documents}.intersection(_RECORD_ROLES))
    if said:
        has_prefixes = any(document.prefix for document in documents)
        for item in _records(Source(path, images_dir, gt, ",".join(said)), told):
            if isinstance(item, Record):
                item = _prefixed(item) if has_prefixes else item
                item = _sound(item) if item.image.path in broken else item
            yield item


def _total(documents: Sequence[CocoDocument]) -> Total:
    """The images of all documents; a list of results has those of the document that it was predicted for."""
    truths = [document.truth for document in documents if document.truth]
    entries = sum(len(each.images) for each in truths)
    if len(truths) < 2:
        return Total(entries, entries)
    return Total(len({each.path_of(entry) for each in truths for entry in each.images}), entries)


def tables(document: CocoDocument) -> Iterator[Table]:
    """The objects of a document, some images at a time; the images alone where it has no objects."""
    truth = document.truth
    if truth is None:
        return
    columns = document.columns
    names = Names.of([*(entry.name for entry in truth.categories), None])  # the last is what NOWHERE finds
    owner = np.frombuffer(columns.image, dtype=np.int64)
    order = np.argsort(owner, kind="stable")
    if document.role not in OBJECT_ROLES:
        order = order[:0]
    box = np.frombuffer(columns.box, dtype=np.float64).reshape(-1, 4)
    area = np.frombuffer(columns.area, dtype=np.float64)
    crowd = np.frombuffer(columns.crowd, dtype=np.int8).astype(bool)
    score = np.frombuffer(columns.score, dtype=np.float64)
    category = np.frombuffer(columns.category, dtype=np.int64)
    rows = _image_rows(truth)
    starts = range(0, len(rows), _PER_TABLE)
    cuts = np.searchsorted(owner[order], [*starts, len(rows)])
    for start, first, last in zip(starts, cuts, cuts[1:], strict=False):
        chosen, part = order[first:last], rows[start : start + _PER_TABLE]
        image, masks = owner[chosen] - start, Masks(document, chosen)
        runs = Runs(part, image, masks)
        yield Table(
            images=part,
            image=image,
            category=Names(names.names, names.codes[category[chosen]]),
            box=box[chosen],
            area=area[chosen],
            crowd=crowd[chosen],
            score=score[chosen],
            masks=masks,
            runs=runs,
            counted=runs.areas,
            locate=_locate_in(document, chosen),
            edits=_edits_in(document, chosen),
            says=_says_in(document, chosen),
        )


def _locate_in(document: CocoDocument, ordinals: NDArray[np.int64]) -> Callable[[int], Location]:
    return lambda row: document.at(int(ordinals[row]))


def _edits_in(document: CocoDocument, ordinals: NDArray[np.int64]) -> Callable[[int, Change], Iterable[Edit]]:
    return lambda row, change: change_edits(document, int(ordinals[row]), change)


def _says_in(document: CocoDocument, ordinals: NDArray[np.int64]) -> Callable[[int], object]:
    return lambda row: said_of(document, int(ordinals[row]))


def _image_rows(document: CocoDocument) -> list[ImageRow]:
    """The images of a document; one without a name is known by its place."""
    return [
        ImageRow(
            document.path_of(entry) or f"images[{entry.ordinal}]", entry.width, entry.height, document.splits
        )
        for entry in document.images
    ]


def _image_files(
    document: CocoDocument, start: int, stop: int, places: Places, root: Path, seen: set[str]
) -> Iterator[ImageFile | RecordError]:
    """The image files that some entries of a document name and nobody named before."""
    for entry in document.images[start:stop]:
        path = document.path_of(entry)
        if path is None or path in seen:
            continue
        seen.add(path)
        try:
            file = places.find(safe_path(path), document.splits or (None,), document.prefix)
        except ValueError as error:
            place = f"{document.name}:images[{entry.ordinal}].file_name"
            found = error.found if isinstance(error, OutsideLinkError) else str(error)
            yield RecordError(place, found, "a path inside the data set", code="STR108")
            continue
        if file is not None:
            row = ImageRow(path, entry.width, entry.height, document.splits)
            yield ImageFile(row, file, relative(file, root))


def _prefixed(record: Record) -> Record:
    """A record under the path that tables know: read by itself, a lone split gives its images no prefix."""
    image, split = record.image, next(iter(record.splits), None)
    if split is None or image.path.startswith(f"{split}/"):
        return record
    return record.model_copy(update={"image": image.model_copy(update={"path": f"{split}/{image.path}"})})


def _sound(record: Record) -> Record:
    """A record with those layers of its maps that can be decoded."""
    maps = dict(record.maps)
    for name, item in maps.items():
        if isinstance(item.source, Layers):
            layers = tuple(layer for layer in item.source.layers if _is_sound(layer, item.source))
            source = item.source.model_copy(update={"layers": layers})
            maps[name] = item.model_copy(update={"source": source})
    return record.model_copy(update={"maps": maps})


def _is_sound(layer: Layer, source: Layers) -> bool:
    try:
        layer_runs(layer, source)
    except ValueError:
        return False
    return True


def _panoptic(document: CocoDocument, places: Places, root: Path, told: set[str]) -> Iterator[object]:
    """The annotations of a panoptic document. told: gets those that no record can hold."""
    images = []
    for ordinal, image in panoptic_images(document, places, root):
        if image.errors or image.flaws or not image.has_sound_ids:
            told.add(f"{document.index.path}:annotations[{ordinal}]")
        images.append(image)
    for start in range(0, len(images), _PER_PARCEL):
        yield Parcel(_panoptic_items, (images[start : start + _PER_PARCEL],))


def _panoptic_items(images: Sequence[PanopticImage]) -> Iterator[object]:
    for image in images:
        yield image
        yield from image.errors
        if image.png is not None:
            yield image.png


def _told_by(document: CocoDocument) -> Iterator[str]:
    """The entries of a document of which rules tell already why no record can hold them."""
    columns = document.columns
    wrong = {(name, ordinal) for name, ordinal, flaw in document.flaws if flaw.kind != _WANTED}
    wrong |= {("annotations", ordinal) for ordinal, _ in (*columns.classless, *columns.orphans)}
    for name, entries in (
        ("images", [(entry.ordinal, entry.id, entry.file_name) for entry in document.images]),
        ("categories", [(entry.ordinal, entry.id, entry.name) for entry in document.categories]),
    ):
        ids: set[object] = set()
        texts: set[object] = set()
        for ordinal, id_, text in entries:
            if (is_key(id_) and id_ in ids) or text in texts or text == "":
                wrong.add((name, ordinal))
            ids.add(id_ if is_key(id_) else None)
            texts.add(text)
    for name, ordinal in sorted(wrong):
        yield f"{document.index.path}:{name}[{ordinal}]"


def _records(source: Source, told: Collection[str]) -> Iterator[object]:
    """The records of the documents whose labels and maps only records show. told: places of known errors."""
    try:
        reader = CocoReader(source)
    except FormatError as error:
        if error.place not in told:
            yield error
        return
    for part in reader.parts():
        for item in reader.read(part):
            is_told = isinstance(item, LabelkitError) and _IN_PLACE.split(item.place)[0] in told
            if isinstance(item, Record | LabelkitError) and not is_told:
                yield item
