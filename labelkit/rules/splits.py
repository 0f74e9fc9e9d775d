"""SPL1xx: what splits must not share, and what each of them needs."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from labelkit.findings import Location
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import few
from labelkit.survey import Survey


@rule("SPL103")
def group_in_two_splits(survey: Survey, *, group: str | None = None) -> Faults:
    """Images of one group (a scene, a patient, a camera) are in two splits (`--group REGEX`).

    Why: images of one group look alike; what is trained on is nearly what is tested on.
    Fix: move the whole group into one split.
    Example: `scene07_001.jpg` in train and `scene07_002.jpg` in val, with `--group "scene[0-9]+"`
    Option: group, as the command line says it: its first parenthesis names the group, or the whole match.
    """
    if group is None:
        return
    pattern = re.compile(group)
    members: dict[str, dict[str, str]] = defaultdict(dict)
    for row in survey.images:
        if match := pattern.search(row.path):
            name = match[1] if pattern.groups else match[0]
            for split in row.splits:
                members[name].setdefault(split, row.path)
    for name, splits in members.items():
        (split, first), *others = [*splits.items()] or [("", "")]
        for other, path in others:
            text = f"group {name!r} is in {other}, and in {split} ({first})"
            yield Fault(Location(path, image=path), text)


@rule("SPL104", "info")
def class_missing_from_split(survey: Survey) -> Faults:
    """A class is there in one split, as an object, in a label map or as a label, and not in another.

    Why: it is tested and never learned, or learned and never tested.
    Fix: split anew, by class.
    Example: `zebra` in val only
    """
    splits = dict.fromkeys(split for row in survey.images for split in row.splits)
    seen = {split: _classes_in(survey, split) for split in splits}
    everything = set().union(*seen.values())
    for split, classes in seen.items():
        missing = sorted(everything - classes)
        if missing and classes:  # a split without any label is a test set
            many = "1 class" if len(missing) == 1 else f"{len(missing)} classes"
            where = Location(survey.root.name, element=f"split {split}")
            yield Fault(where, f"{many} without an object: {few(missing, 5)}")


def _classes_in(survey: Survey, split: str) -> set[str]:
    """The classes that are in some image of a split."""
    member = np.array([split in row.splits for row in survey.images], dtype=bool)
    found = {
        label.category
        for path, labels in survey.labels.items()
        for label in labels
        if label.state == "present" and split in survey.splits_of(path)
    }
    for image, column in (
        (survey.table.image, survey.table.coded),
        (survey.shown.image, survey.shown.category),
    ):
        there = np.bincount(column.codes[member[image]], minlength=len(column.names)) > 0
        found.update(name for name, is_there in zip(column.names, there, strict=True) if name and is_there)
    return found


@rule("SPL105", "warning")
def list_against_folder(survey: Survey) -> Faults:
    """An image is listed in one split, and lies in the folder of another.

    Why: who goes by the lists and who goes by the folders train and test on different images.
    Fix: move the image, or list it where it lies.
    Example: `images/train/0017.jpg`, which `instances_val.json` or `ImageSets/Main/val.txt` lists
    """
    splits = {split for row in survey.images for split in row.splits}
    for row in survey.images:
        if not row.splits:
            continue
        facts, stray = survey.files.get(row.path), survey.misplaced.get(row.path)
        name = stray or (facts.name if facts else row.path)
        folders = [folder for folder in PurePosixPath(name).parent.parts if folder in splits]
        if folders and not set(folders).intersection(row.splits):
            text = f"lies in {folders[-1]}; expected {' and '.join(row.splits)}, as listed"
            yield Fault(Location(name, image=row.path), text)
