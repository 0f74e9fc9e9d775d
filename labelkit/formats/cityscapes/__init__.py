"""Cityscapes: ``gtFine`` or ``gtCoarse`` with polygons and the PNGs painted from them.

The JSON states objects and their order, the PNGs state pixels. An object's mask is its *visible* pixels. The
shipped PNGs were painted by the polygon fill of PIL 1.1.7 (rule ``official``); what today's Pillow paints
differs on borders (rule ``pillow``). Facts: cityscapesScripts 2.3.0, and FORMATS 3, measured.

Decisions: ``<label>group`` is a crowd and a plain label says nothing of crowds (``None``), so that a stated
``crowd=False`` has no place; the folder ``unsplit`` is no split; a JSON of 0 x 0 has an unknown size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

from labelkit.errors import UsageError
from labelkit.formats import Evidence, Format
from labelkit.formats.cityscapes.fit import adjust, adjust_header
from labelkit.formats.cityscapes.frame import Truth
from labelkit.formats.cityscapes.inspect import inspect
from labelkit.formats.cityscapes.layout import TypeOption, type_by_files
from labelkit.formats.cityscapes.read import CityscapesReader
from labelkit.formats.cityscapes.scene import Rule
from labelkit.formats.cityscapes.table import BY_NAME, IMAGES, NAME, TYPES
from labelkit.formats.cityscapes.write import CityscapesWriter, Files
from labelkit.model import Header, Record


def detect(path: Path) -> Evidence:
    """Folders gtFine or gtCoarse (or such a folder itself) with files of the official names."""
    try:
        if not path.is_dir():
            return Evidence(0, "is no folder")
        for folder in (*(path / name for name in TYPES), path):
            if folder.is_dir() and (kind := type_by_files(folder)):
                return Evidence(2, f"{folder.name} holds <split>/<city>/…_{kind}_… files")
        here = [name for name in (*TYPES, IMAGES) if (path / name).is_dir()]
        if here:
            return Evidence(1, f"has {' and '.join(here)}, but no annotation files in it")
    except OSError as error:
        return Evidence(0, f"cannot be looked into ({error.strerror})")
    return Evidence(0, f"has no {' and no '.join(TYPES)}")


def open_dataset(
    path: Path,
    *,
    images_dir: Path | None = None,
    type: Annotated[TypeOption, "Which annotations; auto reads gtFine where both are there."] = "auto",
    truth: Annotated[
        Truth, "Who is right where PNGs and polygons disagree; polygons are then painted by the raster."
    ] = "png",
    raster: Annotated[
        Rule,
        "Paint polygons as the official PNGs, or as today's Pillow. PNGs that show the other rule win,"
        " unless truth is polygons.",
    ] = "official",
) -> CityscapesReader:
    """Open a data set.

    Args: type: which folder. truth: who is right where PNGs and polygons disagree. raster: the rule that
        polygons are painted by; where the PNGs are the truth, the other one if only that gives them.
    Raises: FormatError: no such folder. UsageError: no such option.
    """
    return CityscapesReader(path, images_dir, type, truth, raster)


def create(
    root: Path,
    header: Header,
    *,
    raster: Rule = "official",
    files: Annotated[
        Files,
        "Write the files that the source had, or all six of every frame: PNGs painted from polygons (by the"
        " raster), polygons drawn around the PNGs.",
    ] = "native",
) -> CityscapesWriter:
    """Write a data set.

    raster: the rule by which fit made the polygons; a fitted record knows it itself. files: a record from
    elsewhere gets all six in any case.
    """
    for name, value, allowed in (("raster", raster, Rule), ("files", files, Files)):
        if value not in get_args(allowed):
            raise UsageError(f"--cityscapes-{name}", repr(value), f"one of {', '.join(get_args(allowed))}")
    return CityscapesWriter(root, files)


def confirms(record: Record) -> bool:
    """Every frame does: it is known by its polygons or its PNGs, and these were made by looking."""
    return True


FORMAT = Format(
    name=NAME,
    title="Cityscapes (gtFine, gtCoarse)",
    carries=frozenset(
        {
            "instances",
            "semantic",
            "objects.stuff",
            "objects.crowd",
            "splits",
            "categories.supercategory",
            "categories.thing",
            "categories.colour",
        }
    ),
    detect=detect,
    open=open_dataset,
    create=create,
    adjust=adjust,
    adjust_header=adjust_header,
    image_suffixes=(".png",),
    official={"Cityscapes' 35 labels": frozenset(BY_NAME)},
    confirms=confirms,
    inspect=inspect,
)
