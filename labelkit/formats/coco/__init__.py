"""COCO: instances, keypoints, captions, labels, stuff, panoptic and results; read.py says how they join.

Boxes are x, y, w, h with continuous edges, as in the model. Facts: the format sheet's section on COCO, which
was read in the source of pycocotools and panopticapi, and measured on val2014.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from labelkit.formats import Evidence, Format
from labelkit.formats.coco.catalogue import Source
from labelkit.formats.coco.documents import json_files, looks
from labelkit.formats.coco.fit import adjust, adjust_header
from labelkit.formats.coco.inspect import inspect
from labelkit.formats.coco.names import OFFICIAL
from labelkit.formats.coco.native import extras
from labelkit.formats.coco.read import CocoReader
from labelkit.formats.coco.write import CocoWriter
from labelkit.model import Header

_LOOKED_AT = 20  # files of a folder; one that is COCO is enough


def detect(path: Path) -> Evidence:
    """A JSON file, or a folder of them, that says images, annotations or categories."""
    try:
        if path.is_file() and path.suffix != ".json":
            return Evidence(0, f"{path.name} is no .json file")
        files = json_files(path)
    except OSError as error:
        return Evidence(0, f"cannot be read ({error.strerror})")
    if not files:
        return Evidence(0, "has no JSON file in annotations/, here, or one folder below")
    found = [looks(file) for file in files[:_LOOKED_AT]]
    best = max(found, key=lambda item: item.strength)
    return Evidence(best.strength, best.reason)


def open_coco(
    path: Path,
    *,
    images_dir: Path | None = None,
    gt: Annotated[Path | None, "The document that a list of results was predicted for."] = None,
    roles: Annotated[
        str | None, "Read only these: instances,keypoints,panoptic,stuff,labels,captions,info."
    ] = None,
) -> CocoReader:
    """Open a JSON file or a folder.

    gt: the document that a list of results was predicted for. roles: read only these documents (comma list
    of instances, keypoints, panoptic, stuff, labels, captions, info).
    """
    return CocoReader(Source(path, images_dir, gt, roles))


def create(root: Path, header: Header) -> CocoWriter:
    """A writer into an empty folder, or into one JSON file."""
    return CocoWriter(root, header)


FORMAT = Format(
    name="coco",
    title="COCO JSON (instances, keypoints, captions, labels, stuff, panoptic, results)",
    carries=frozenset(
        {
            "labels",
            "labels.score",
            "boxes",
            "instances",
            "instances.box",
            "instances.polygons",
            "instances.rle",
            "instances.overlap",
            "semantic",
            "panoptic",
            "objects.crowd",
            "objects.score",
            "objects.attributes",
            "categories.supercategory",
            "categories.thing",
            "categories.colour",
            "splits",
        }
    ),
    detect=detect,
    open=open_coco,
    create=create,
    adjust=adjust,
    adjust_header=adjust_header,
    extras=extras,
    file_suffix=".json",
    official=OFFICIAL,
    inspect=inspect,
)
