"""The catalogue of a data set: its documents, its categories, and which annotations each image has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from labelkit.errors import FormatError, RecordError, UsageError
from labelkit.findings import Finding
from labelkit.formats.coco.categories import joined_categories
from labelkit.formats.coco.documents import json_files, recognise
from labelkit.formats.coco.index import Groups, Index
from labelkit.formats.coco.native import KINDS, Annotation, Document
from labelkit.formats.coco.places import Places, root_of
from labelkit.formats.coco.rows import ForAll, Rows, rows_of
from labelkit.model import Category

_Found = tuple[Document, Index]


@dataclass(frozen=True)
class Source:
    """What a user asks to be read (see ``open_coco``)."""

    path: Path
    images_dir: Path | None
    gt: Path | None
    roles: str | None


@dataclass(frozen=True)
class Catalogue:
    """A data set, listed. All lists but rows go by document.

    names: of the categories by id. groups: the annotations of every image. lists_images: whether these
    documents list their images, as all but results do.
    """

    documents: list[Document]
    indexes: list[Index]
    names: list[dict[Any, str]]
    groups: list[Groups]
    rows: Rows
    categories: tuple[Category, ...]
    notes: list[Finding]
    places: Places
    lists_images: bool


def open_catalogue(source: Source) -> Catalogue:
    """List a data set. Raises FormatError and UsageError where that cannot be done."""
    check_truth(source.gt)
    found, notes = _documents(source)
    truth = _truth(source.gt) if source.gt and any(d.role == "results" for d, _ in found) else []
    if not truth:
        found = [(document, index) for document, index in found if document.role != "results"]
    indexes = [index for _, index in found]
    listing = truth or found
    categories, names = joined_categories([index for _, index in listing], native=not truth)
    places = Places(source.path, source.images_dir, source.gt, [index.path for index in indexes])
    rows, spots = rows_of(listing, places)
    if truth:  # every document of results speaks of the images of the one that lists them
        names, spots = names * len(found), spots * len(found)
        rows = ForAll(rows, len(found))
    return Catalogue(
        documents=[document for document, _ in found],
        indexes=indexes,
        names=names,
        groups=[index.group(each) for index, each in zip(indexes, spots, strict=True)],
        rows=rows,
        categories=categories,
        notes=notes,
        places=places,
        lists_images=not truth,
    )


# --- documents -------------------------------------------------------------------------------------------


def _documents(source: Source) -> tuple[list[_Found], list[Finding]]:
    files = json_files(source.path)
    if not files:
        raise FormatError(str(source.path), "no JSON file", "annotations/*.json, or one JSON file")
    roles = _wanted_roles(source.roles)
    found: list[_Found] = []
    notes: list[Finding] = []
    for file in files:
        index, alone = Index(file), len(files) == 1
        if not index.is_coco:
            if alone:
                raise FormatError(str(file), "neither images nor annotations", "a JSON document of COCO")
            text = "no COCO document (neither images nor annotations), skipped"
            notes.append(Finding("NOTE01", str(file), text))
            continue
        document = recognise(index, root_of(source.path))
        if roles and document.role not in roles:
            continue
        if document.role == "results" and source.gt is None:
            if alone:
                raise FormatError(
                    str(file),
                    "a list of results, which does not say its images",
                    "the file they were predicted for",
                    "give it with --coco-gt FILE",
                )
            text = "a list of results, skipped (read it with --coco-gt FILE)"
            notes.append(Finding("NOTE01", str(file), text))
        elif document.role == "results" or source.gt is None:
            found.append((document, index))
        elif alone:
            raise UsageError("--coco-gt", f"{file} is no list of results", "a results file to read")
    if not found:
        raise FormatError(str(source.path), "no COCO document", "a JSON file with images and annotations")
    return found, notes


def _wanted_roles(text: str | None) -> set[str]:
    roles = {"keypoints" if role == "person_keypoints" else role for role in (text or "").split(",") if role}
    strange = sorted(roles - set(KINDS))
    if strange:
        raise UsageError("--coco-roles", f"no role {strange[0]!r}", f"some of {', '.join(KINDS)}")
    return roles


def check_truth(gt: Path | None) -> None:
    """Raise UsageError where what results were predicted for cannot be a document."""
    if gt is not None and gt.is_dir():
        raise UsageError("--coco-gt", f"{gt} is a folder", "the JSON file that results were predicted for")


def _truth(gt: Path) -> list[_Found]:
    """The document that results were predicted for."""
    index = Index(gt)
    if not index.is_coco or index.is_results:
        raise FormatError(str(gt), "no COCO document with images", "the file that results were predicted for")
    return [(recognise(index, gt.parent), index)]


# --- annotations of no image -----------------------------------------------------------------------------


def orphans(catalogue: Catalogue) -> Iterator[RecordError]:
    """Annotations of images that are not there, as errors."""
    for index, groups in zip(catalogue.indexes, catalogue.groups, strict=True):
        for ordinal in groups.orphans():
            try:
                key = msgspec.json.decode(index.annotations[ordinal], type=Annotation).image_id
                found = f"image_id {key!r} is no image" + ("" if index.is_results else " of this document")
                yield RecordError(index.place(ordinal), found, "the id of an image")
            except msgspec.DecodeError as error:
                yield RecordError(index.place(ordinal), str(error), "an annotation")
