"""The promise of every fix, held to by a list: what it mends is clean after it, and nothing else has changed.

A rule that mends in one format mends in every format that can have its defect, unless ``promises.NOT_MENDED``
says why it does not.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from promises import LIGHT, MENDED, NOT_MENDED
from test_rule_coverage import SEEDS

from labelkit.findings import Finding
from labelkit.mending import mend


def test_every_rule_that_mends_does_so_in_every_format_or_says_why_not() -> None:
    mended = {(code, name) for code, names in MENDED.items() for name in names.split()}
    unmended = {(code, name) for code, reasons in NOT_MENDED.items() for name in reasons}
    seeded = {(seed.code, seed.format) for seed in SEEDS if seed.code in MENDED}
    assert seeded - mended - unmended == set()
    assert mended - seeded == set()
    assert mended & unmended == set()


@pytest.mark.parametrize(
    ("code", "name"), [(code, n) for code, names in MENDED.items() for n in names.split()]
)
def test_a_fix_leaves_the_set_clean_and_all_else_as_it_was(code: str, name: str, tmp_path: Path) -> None:
    done = 0
    for number, seed in enumerate(each for each in SEEDS if (each.code, each.format) == (code, name)):
        root = tmp_path / str(number)
        root.mkdir()
        path = seed.broken(root)
        (finding,) = (first := seed.validated(path, fixes=True)).findings
        if not first.fixes:
            continue
        before = files(root)
        after, mended = mend(partial(seed.validated, path, fixes=True), unsafe=True)
        assert mended[0].finding == finding, seed
        assert [each.code for each in after.findings] == LIGHT.get(str(seed), []), (seed, after.findings)
        assert_only_the_defect_changed(finding, path, before, files(root))
        done += 1
    assert done


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


def assert_only_the_defect_changed(
    finding: Finding, path: Path, before: dict[Path, bytes], after: dict[Path, bytes]
) -> None:
    """No file but that of the finding is another, and in it only the entry that the finding is about."""
    assert finding.at is not None
    folder = path if path.is_dir() else path.parent
    file = folder / finding.at.file
    assert before.keys() == after.keys()
    changed = {each for each in before if before[each] != after[each]}
    listed = {each for each in changed if each.parent.name == "Main"}  # where the class of a removed one is
    assert changed - listed == {file}
    if file.suffix in (".png", ".jpg"):
        return  # which is one value, written anew
    old, new = before[file], after[file]
    start, stop = entry_of(finding, file, old)
    assert new.startswith(old[:start])
    assert new[start:].endswith(old[stop:])


def entry_of(finding: Finding, file: Path, data: bytes) -> tuple[int, int]:
    """The bytes of what a finding is about: an object of JSON or XML with its comma, a line, the mark."""
    assert finding.at is not None and finding.at.offset is not None
    offset = finding.at.offset
    if finding.code == "STR109":
        return 0, 3
    if file.suffix == ".jsonl":
        return offset, data.index(b"\n", offset)
    if file.name == "annotations.xml":  # CVAT's; a box or a mask that becomes another shape has another tag
        tag = re.match(rb"<(\w+)", data[offset:])
        assert tag
        return len(data[:offset].rstrip()), data.index(b"</%s>" % tag[1], offset) + len(tag[1]) + 3
    if file.suffix == ".xml":
        before = max(data.rfind(end, 0, offset) for end in (b"</segmented>", b"</object>"))
        return before, data.index(b"</object>", offset) + len(b"</object>")
    start = offset if data[offset : offset + 1] == b"{" else data.rindex(b"{", 0, offset)
    text = data[start:].decode()
    _, length = json.JSONDecoder().raw_decode(text)
    stop = start + len(text[:length].encode())
    after = re.match(rb"\s*,\s*|", data[stop:])
    before = re.search(rb"\s*,\s*$|$", data[:start])
    assert after and before  # both can be empty
    return before.start(), stop + after.end()
