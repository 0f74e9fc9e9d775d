"""The promise of every rule, held to by a list: in every format that can have its defect, a set with exactly
that defect gives exactly that finding at its place, and the same set without it none.

A rule without a seed in some format fails here, unless ``promises.CANNOT`` says why the format cannot have
the defect.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import seeds
import seeds_everywhere
import seeds_of_documents
import seeds_of_formats
import seeds_of_labelstudio
from promises import CANNOT, MENDED
from seeds import FORMATS, RENAMED, Seed, place_of

from labelkit.findings import Finding
from labelkit.rules import rules

SEEDS = [
    *seeds.known(),
    *(seed for each in (seeds_everywhere, seeds_of_documents, seeds_of_formats) for seed in each.seeds()),
    *seeds_of_labelstudio.seeds(),
]


def test_every_rule_has_a_seed_in_every_format_that_can_have_its_defect() -> None:
    seeded = {(seed.code, seed.format) for seed in SEEDS}
    every = {(code, name) for code in rules() for name in FORMATS}
    excused = {(code, name) for code, reasons in CANNOT.items() for name in reasons}
    assert every - seeded - excused == set(), "neither a seed nor a reason in CANNOT"
    assert seeded & excused == set(), "a seed where CANNOT says that there can be none"
    assert seeded | excused == every, "a rule or a format that is none"


def test_every_seed_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(map(str, SEEDS)).items() if times > 1] == []


# --- one defect, one finding -------------------------------------------------------------------------------

_clean: set[tuple[object, ...]] = set()


def assert_clean(seed: Seed, tmp: Path) -> None:
    """The set without the defect has no finding at all; once for all seeds of one set in one process."""
    key = id(seed.clean), repr(seed.options), seed.aside
    if key not in _clean:
        tmp.mkdir()
        assert [(each.code, place_of(each)) for each in seed.validated(seed.clean(tmp)).findings] == []
        _clean.add(key)


def is_at(seed: Seed, finding: Finding) -> bool:
    """Whether a finding is where the seed put the defect."""
    assert finding.at is not None
    if seed.place is not None:
        return seed.place in (place_of(finding), f"{finding.at.file}:*")
    if seed.image is None or finding.at.image is None:
        return seed.image is finding.at.image
    return seed.image in (RENAMED, Path(finding.at.image).stem)


@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_one_defect_is_one_finding_at_its_place_and_without_it_there_is_none(
    seed: Seed, tmp_path: Path
) -> None:
    assert_clean(seed, tmp_path / "clean")
    (tmp_path / "broken").mkdir()
    done = seed.validated(seed.broken(tmp_path / "broken"), fixes=True)
    found = done.findings
    assert [each.code for each in found] == [seed.code], found
    assert is_at(seed, found[0]), (place_of(found[0]), seed.place, seed.image)
    assert str(tmp_path) not in found[0].message + found[0].place  # the same on every machine
    if done.fixes:
        assert seed.format in MENDED.get(seed.code, "").split(), "a fix that promises.MENDED does not list"
