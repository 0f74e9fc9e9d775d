"""Label Studio: JSON tasks with predictions and annotations, and their labelling configuration.

What waits for review is written as predictions, what was reviewed or made by a human as an annotation;
scene.py says what is read after review. Coordinates are percents of the image (percent.py).
Facts: labelstud.io/guide (task_format, predictions, export), label_studio_sdk, the source of the editor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from labelkit.formats import Evidence, Format
from labelkit.formats.labelstudio.fit import adjust, adjust_header
from labelkit.formats.labelstudio.frame import confirms, extras
from labelkit.formats.labelstudio.images import PREFIX
from labelkit.formats.labelstudio.index import evidence
from labelkit.formats.labelstudio.inspect import inspect
from labelkit.formats.labelstudio.read import LabelStudioReader
from labelkit.formats.labelstudio.write import LabelStudioWriter
from labelkit.model import Header


def detect(path: Path) -> Evidence:
    """A list of objects that say data, and annotations or predictions."""
    try:
        return evidence(path)
    except OSError as error:
        return Evidence(0, f"cannot be read ({error.strerror})")


def open_labelstudio(
    path: Path,
    *,
    images_dir: Path | None = None,
    config: Annotated[
        Path | None, "The labelling configuration, where it does not lie beside the tasks."
    ] = None,
    image_key: Annotated[str | None, "The key of data that names the image."] = None,
) -> LabelStudioReader:
    """Open a list of tasks, or a folder with one."""
    return LabelStudioReader(path, images_dir, config, image_key)


def create(
    root: Path,
    header: Header,
    *,
    url: Annotated[str, "What comes before an image's path, for Label Studio to open it."] = PREFIX,
) -> LabelStudioWriter:
    """A writer into an empty folder, or into one JSON file with its configuration beside it."""
    return LabelStudioWriter(root, header, url)


FORMAT = Format(
    name="labelstudio",
    title="Label Studio tasks: predictions to review, and annotations",
    carries=frozenset(
        {
            "labels",
            "labels.score",
            "labels.provenance",
            "boxes",
            "instances",
            "instances.polygons",
            "instances.rle",
            "instances.overlap",
            "semantic",
            "semantic.ignore",
            "semantic.provenance",
            "objects.stuff",
            "objects.crowd",
            "objects.difficult",
            "objects.truncated",
            "objects.occluded",
            "objects.pose",
            "objects.score",
            "objects.attributes",
            "objects.uid",
            "objects.provenance",
            "categories.colour",
            "splits",
            "order",
        }
    ),
    detect=detect,
    open=open_labelstudio,
    create=create,
    adjust=adjust,
    adjust_header=adjust_header,
    extras=extras,
    file_suffix=".json",
    confirms=confirms,
    inspect=inspect,
)
