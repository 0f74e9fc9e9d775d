"""LBL1xx and LOC1xx: what the labels of an image should be, also by what ``--task`` says of the task."""

from __future__ import annotations

import numpy as np

from labelkit.findings import Location
from labelkit.formats.voc.raw_set import VocSet
from labelkit.rules import Fault, Faults, rule
from labelkit.survey import Survey


@rule("LBL101")
def class_list_differs(whole: VocSet) -> Faults:
    """A class list of VOC says something else of an image than its XML, or than another list.

    Why: classification learns from the lists and detection from the XML, each another truth.
    Fix: write 1 where the XML has an object of the class, 0 where all of them are difficult, else -1.
    Example: `2007_000032  1` in `dog_train.txt`, and no dog in `2007_000032.xml`
    """
    for where, message, _ in whole.contradictions():
        yield Fault(where, message)


@rule("LBL102")
def two_classes_one_label(survey: Survey, *, task: str | None = None) -> Faults:
    """An image has two classes where the task allows one (`--task classification`).

    Why: a loss for one class takes the first of them, or the last.
    Fix: decide for one, or train with several (`--task multi-label`).
    Example: an image that is present for `cat` and for `dog`
    Option: task, as the command line says it.
    """
    if task != "classification":
        return
    for path, labels in survey.labels.items():
        names = sorted({label.category for label in labels if label.state == "present"})
        if len(names) > 1:
            yield Fault(Location(path, image=path), f"classes {', '.join(names)}; expected one")


@rule("LOC101")
def not_one_object(survey: Survey, *, task: str | None = None) -> Faults:
    """An image has no object, or several, where the task expects one (`--task localization`).

    Why: localization predicts one box an image; which of several it should be nobody says.
    Fix: remove the others, or make it detection.
    Example: two boxes in one image
    Option: task, as the command line says it.
    """
    if task != "localization":
        return
    counts = np.bincount(survey.table.image, minlength=len(survey.images))
    for row, count in zip(survey.images, counts.tolist(), strict=True):
        if count != 1:
            yield Fault(Location(row.path, image=row.path), f"{count} objects; expected one")
