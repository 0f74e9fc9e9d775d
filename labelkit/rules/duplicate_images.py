"""IMG107, IMG108, SPL101, SPL102: images that are there twice, in their bytes or nearly."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelkit.findings import Location
from labelkit.likeness import NONE, Thumbnails, first_near, is_plain, likeness, stack
from labelkit.rules import Fault, Faults, rule
from labelkit.survey import Survey
from labelkit.table import Names

# Splits that must not share an image: (train, val), also under other names and with a year; not trainval.
_ROLE = re.compile(r"(?:(train)(?:ing)?|(val)(?:id|idation)?|(test)(?:ing)?)(?:[-_]?\d+)?", re.IGNORECASE)


@rule("IMG107", "warning")
def duplicate_image(survey: Survey) -> Faults:
    """Two image files have the same bytes.

    Why: one image counts twice, and its labels may disagree.
    Fix: remove one, and join the annotations.
    Example: `a.jpg` and `copy of a.jpg`
    """
    for first, *others in _same_bytes(survey):
        for path in others:
            if survey.share_split(first, path):
                yield Fault(Location(survey.files[path].name, image=path), f"the same bytes as {first!r}")


@rule("SPL101")
def image_in_two_splits(survey: Survey) -> Faults:
    """The same image is in two splits: its bytes are, or both lists name it.

    Why: what is trained on is tested on; the result is better than the model.
    Fix: remove it from one.
    Example: `train/a.jpg` and `val/b.jpg` with the same bytes; an id in `train.txt` and in `val.txt`
    """
    for first, *others in _same_bytes(survey):
        for path in others:
            if not survey.share_split(first, path):
                yield Fault(
                    Location(survey.files[path].name, image=path),
                    f"the same bytes as {first!r}, which is in {_splits(survey, first)}",
                )
    for row in survey.images:
        roles = {role: split for split in row.splits if (role := _role(split))}
        if len(roles) > 1:
            yield Fault(Location(row.path, image=row.path), f"listed in {', and in '.join(roles.values())}")


@rule("IMG108", "info")
def near_duplicate_image(survey: Survey, *, distance: int = 6, alike: float = 0.95) -> Faults:
    """Two images are nearly the same: one was saved anew, scaled, made brighter or moved by a few pixels.

    Why: one picture counts twice, with labels that may disagree. Frames of a film are like that, too.
    Fix: remove one, or keep both in one split.
    Example: `a.jpg` and `a_small.jpg`
    Options: distance, in how many of 64 bits their fingerprints differ at most (up to 31); alike, how alike
    they are at least where they get brighter and darker, 1 being the same picture. Pictures that were
    mirrored, turned or cropped are not found, and plain ones are not compared.
    """
    for path, first in _near(survey, distance, alike, share_split=True):
        yield Fault(Location(survey.files[path].name, image=path), f"nearly the same picture as {first!r}")


@rule("SPL102", "warning")
def near_duplicate_in_two_splits(survey: Survey, *, distance: int = 6, alike: float = 0.95) -> Faults:
    """Nearly the same image is in two splits.

    Why: what is trained on is nearly what is tested on; the result is better than the model.
    Fix: move both into one split (`--group` helps where names tell what belongs together).
    Example: two frames of one film, `train/f0001.jpg` and `val/f0002.jpg`
    Options: distance, in how many of 64 bits their fingerprints differ at most (up to 31); alike, how alike
    they are at least where they get brighter and darker, 1 being the same picture.
    """
    for path, first in _near(survey, distance, alike, share_split=False):
        text = f"nearly the same picture as {first!r}, which is in {_splits(survey, first)}"
        yield Fault(Location(survey.files[path].name, image=path), text)


@dataclass(frozen=True)
class _Pictures:
    """The pictures that can be compared: each once by its bytes, and no plain ones."""

    paths: list[str]
    fingerprints: NDArray[np.uint64]
    thumbnails: Thumbnails


def _pictures(survey: Survey) -> _Pictures:
    seen: dict[str, tuple[str, int, bytes]] = {}
    for path, facts in survey.files.items():
        if facts.digest and facts.fingerprint is not None and facts.thumbnail is not None:
            seen.setdefault(facts.digest, (path, facts.fingerprint, facts.thumbnail))
    thumbnails = stack([thumbnail for _, _, thumbnail in seen.values()])
    keep = ~is_plain(thumbnails)
    paths = [path for (path, _, _), kept in zip(seen.values(), keep.tolist(), strict=True) if kept]
    fingerprints = np.array([fingerprint for _, fingerprint, _ in seen.values()], dtype=np.uint64)
    return _Pictures(paths, fingerprints[keep], thumbnails[keep])


def _near(survey: Survey, distance: int, alike: float, *, share_split: bool) -> list[tuple[str, str]]:
    """Images with an earlier one that is nearly the same, in the order of the files.

    share_split: whether the two may meet in one split, or must not.
    """
    pictures = _pictures(survey)
    splits = Names.of("\0".join(sorted(survey.splits_of(path))) for path in pictures.paths).codes
    _, some = np.unique(splits, return_index=True)  # an image of each set of splits
    of_each = [pictures.paths[position] for position in some.tolist()]
    fits = np.array([[survey.share_split(a, b) == share_split for b in of_each] for a in of_each], dtype=bool)

    def agree(early: NDArray[np.int64], late: NDArray[np.int64]) -> NDArray[np.bool_]:
        agreed = fits[splits[early], splits[late]]
        agreed[agreed] = likeness(pictures.thumbnails, early[agreed], late[agreed]) >= alike
        return agreed

    if not fits.any():
        return []
    found = first_near(pictures.fingerprints, distance, agree)
    late = np.flatnonzero(found != NONE).tolist()
    return [(pictures.paths[position], pictures.paths[found[position]]) for position in late]


def _same_bytes(survey: Survey) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path, facts in survey.files.items():
        if facts.digest is not None:
            groups[facts.digest].append(path)
    return [paths for paths in groups.values() if len(paths) > 1]


def _splits(survey: Survey, path: str) -> str:
    return " and ".join(sorted(survey.splits_of(path)))


def _role(split: str) -> str | None:
    """What a split is for: train, val or test; None where its name does not say."""
    match = _ROLE.fullmatch(split)
    return next((word.lower() for word in match.groups() if word), None) if match else None
