"""Baselines: what is known is not told, what is new is, and a file is whole or not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from test_cli import labelkit
from test_rules_coco import clean

from labelkit.baseline import Baseline, read_baseline, write_baseline
from labelkit.errors import DestinationError, UsageError
from labelkit.findings import Finding, Location
from labelkit.validation import Validation, validate

Said = dict[str, Any]


def broken() -> Said:
    """Three empty boxes (GEO102), and a box that leaves its image (GEO118)."""
    said = clean()
    for item in said["annotations"]:
        item |= {"segmentation": [], "bbox": [30, 3, 0, 10], "area": 0}
    said["annotations"].append(
        {"id": 9, "image_id": 2, "category_id": 1, "bbox": [50, 3, 20, 10], "area": 200, "iscrowd": 0}
    )
    return said


def written(root: Path, said: Said, **layout: Any) -> Path:
    path = root / "instances_val.json"
    path.write_text(json.dumps(said, **layout), "utf-8")
    return path


def run(root: Path, *arguments: str) -> tuple[int, str, str]:
    """Validate with the baseline: the exit code, the line with the counts, and stderr."""
    command = ["validate", "instances_val.json", "--select", "GEO102,GEO118", "--baseline", "known.json"]
    done = labelkit(*command, *arguments, cwd=root, env=environment())
    return done.returncode, done.stdout.splitlines()[-1] if done.stdout else "", done.stderr


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


def found(path: Path, **options: Any) -> Validation:
    return validate(path, select=options.pop("select", ["GEO102", "GEO118"]), **options)


def made(validation: Validation) -> Baseline:
    return Baseline().renewed(validation.findings, validation.conclusive)


def test_a_baseline_knows_a_set_whose_folder_was_renamed(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    said = broken()
    said["categories"].append({"id": 9, "name": "cow"})
    written(tmp_path / "before", said)
    codes = {"select": ["GEO102", "CAT104", "REF112"]}
    known = made(found(tmp_path / "before", **codes))
    assert {entry.code for entry in known.findings} == {"GEO102", "CAT104", "REF112"}
    (tmp_path / "before").rename(tmp_path / "after")
    after = found(tmp_path / "after", baseline=known, **codes)
    assert (after.findings, after.gone) == ([], 0)


# --- as a user meets it ------------------------------------------------------------------------------------


def test_what_is_known_is_hidden_and_what_is_new_is_told(tmp_path: Path) -> None:
    said = broken()
    written(tmp_path, said)
    code, line, stderr = run(tmp_path, "--write-baseline")
    assert (code, stderr) == (0, "labelkit: known.json: 4 known findings; 4 new, 0 forgotten\n")
    assert line == "no findings (2 images, 4 objects, 2 rules); hidden: 4 by baseline"
    assert run(tmp_path) == (0, line, "")
    said["annotations"].append({**said["annotations"][0], "id": 12})
    written(tmp_path, said)
    code, line, _ = run(tmp_path)
    assert (code, line) == (1, "1 error (2 images, 5 objects, 2 rules); hidden: 4 by baseline")
    code, _, stderr = run(tmp_path, "--write-baseline")
    assert (code, stderr) == (0, "labelkit: known.json: 5 known findings; 1 new, 0 forgotten\n")


def test_what_is_gone_is_told_and_forgotten_when_asked(tmp_path: Path) -> None:
    said = broken()
    written(tmp_path, said)
    run(tmp_path, "--write-baseline")
    for item in said["annotations"][1:]:
        item |= {"bbox": [2, 3, 10, 10], "area": 100}
    written(tmp_path, said)
    code, line, _ = run(tmp_path)
    assert code == 0
    assert line.endswith("; 3 findings of the baseline are gone; --write-baseline forgets them")
    command = ["validate", "instances_val.json", "--select", "GEO102", "--baseline", "known.json"]
    done = labelkit(*command, "--output-format", "json", cwd=tmp_path, env=environment())
    told = json.loads(done.stdout)
    assert (told["hidden"], told["gone"], told["findings"]) == ({"baseline": 1}, 2, [])  # GEO118 did not look
    code, line, stderr = run(tmp_path, "--write-baseline")
    assert (code, stderr) == (0, "labelkit: known.json: 1 known finding; 0 new, 3 forgotten\n")
    assert "gone" not in line
    assert "gone" not in run(tmp_path)[1]


def test_a_baseline_has_no_line_or_byte_and_survives_changes_elsewhere(tmp_path: Path) -> None:
    said = broken()
    written(tmp_path, said)
    run(tmp_path, "--write-baseline")
    entries = json.loads((tmp_path / "known.json").read_text("utf-8"))["findings"]
    assert set().union(*entries) == {"fingerprint", "count", "code", "file", "image", "id"}
    said["annotations"].insert(0, {**said["annotations"][3], "id": 30, "bbox": [1, 1, 10, 20]})
    said["images"].reverse()
    written(tmp_path, said, indent=4)
    assert run(tmp_path)[:2] == (0, "no findings (2 images, 5 objects, 2 rules); hidden: 4 by baseline")


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    said = broken()
    written(tmp_path, said)
    run(tmp_path, "--write-baseline")
    before = (tmp_path / "known.json").read_bytes()
    said["annotations"].reverse()
    written(tmp_path, said)
    run(tmp_path, "--write-baseline")
    assert (tmp_path / "known.json").read_bytes() == before
    assert before.count(b"\n") == 5 + 4  # an entry a line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instances_val.json", "known.json"]


def test_the_configuration_can_name_the_baseline(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    written(tmp_path / "data", broken())
    (tmp_path / "labelkit.toml").write_text('baseline = "known.json"\nselect = ["GEO102"]')
    inner = tmp_path / "inner"
    inner.mkdir()
    command = ["validate", "../data"]
    assert labelkit(*command, cwd=inner, env=environment()).returncode == 2
    assert labelkit(*command, "--write-baseline", cwd=inner, env=environment()).returncode == 0
    assert (tmp_path / "known.json").is_file()  # beside the configuration
    done = labelkit(*command, cwd=inner, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert "hidden: 3 by baseline" in done.stdout


# --- what counts as known ----------------------------------------------------------------------------------


def at(**place: Any) -> Finding:
    location = Location("a.json", **place)
    return Finding("GEO102", str(location), "empty", at=location)


def test_equal_findings_are_counted() -> None:
    twice = [at(id=1, offset=5), at(id=1, offset=9), at(id=2)]
    known = Baseline().renewed(twice, {"GEO102"})
    assert [entry.count for entry in known.findings] == [2, 1]
    assert known.known([at(id=2), at(id=1), at(id=1), at(id=1), at(id=3)]) == {0, 1, 2}
    merged = Baseline(findings=[*known.findings, *known.findings])
    assert merged.known([at(id=1)] * 5) == {0, 1, 2, 3}


def test_rules_that_could_not_look_keep_their_entries(tmp_path: Path) -> None:
    path = written(tmp_path, broken())
    everything = ["GEO102", "GEO118", "REF112", "LOC101"]
    whole = found(path, select=everything, task="localization")
    known = made(whole)
    assert {entry.code for entry in known.findings} == set(everything)
    narrower: list[dict[str, Any]] = [
        {"select": ["GEO102"]},
        {"select": everything, "images": False, "task": "localization"},
        {"select": everything},  # no task, so LOC101 cannot find anything
    ]
    for options in narrower:
        done = found(path, **options, baseline=known)
        assert (done.findings, done.gone) == ([], 0), options
        again = found(path, **options)
        assert known.renewed(again.findings, again.conclusive) == known, options
    written(tmp_path, clean())
    done = found(path, select=everything, baseline=known)
    assert done.gone == 4


def test_what_a_pattern_ignores_is_not_gone(tmp_path: Path) -> None:
    path = written(tmp_path, broken())
    known = made(found(path))
    done = found(path, baseline=known, per_file_ignores={"*": ["GEO"]})
    assert (done.findings, done.hidden, done.gone) == ([], {"baseline": 4}, 0)


def test_fixes_stay_with_their_findings(tmp_path: Path) -> None:
    path = written(tmp_path, broken())
    done = found(path)
    done.fixes = {position: position for position in range(4)}  # type: ignore[misc]
    codes = [finding.code for finding in done.findings]
    done.hide("a reason", {1, 2})
    assert done.hidden == {"a reason": 2}
    assert [finding.code for finding in done.findings] == [codes[0], codes[3]]
    assert done.fixes == {0: 0, 1: 3}


# --- the file ----------------------------------------------------------------------------------------------


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    findings = [
        at(id=1, image='a "b"\n.jpg'), at(id="é"), at(element="info"), at(id=10**30), at(),
        Finding("REF101", "no location", "a message"),
    ]  # fmt: skip
    known = Baseline().renewed(findings, {"GEO102"})
    file = tmp_path / "folder" / "known.json"
    write_baseline(file, known)
    assert read_baseline(file) == known
    assert read_baseline(file).known(findings) == set(range(6))
    write_baseline(file, Baseline())
    assert read_baseline(file) == Baseline()


def test_a_name_that_is_no_unicode_can_be_known(tmp_path: Path) -> None:
    finding = at(id=1, image="caf\udce9.jpg")
    write_baseline(tmp_path / "known.json", Baseline().renewed([finding], {"GEO102"}))
    assert read_baseline(tmp_path / "known.json").known([finding]) == {0}


ENTRY = '{"fingerprint": "%s", "count": 1, "code": "GEO102", "file": "a"}' % ("0" * 32)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "eof"),
        ("<<<<<<< HEAD\n", "expected value"),
        ("[]", "found []"),
        ("{}", "labelkit_baseline: field required"),
        ('{"images": [], "annotations": []}', "labelkit_baseline: field required"),
        ('{"labelkit_baseline": 1}', "findings: field required"),
        ('{"labelkit_baseline": 2}', "labelkit_baseline: input should be 1, found 2"),
        ('{"labelkit_baseline": 1, "findings": {}}', "findings: "),
        ('{"labelkit_baseline": 1, "findings": [1]}', "findings.0: "),
        ('{"labelkit_baseline": 1, "findings": [' + ENTRY.replace("1,", "0,") + "]}", "findings.0.count: "),
        ('{"labelkit_baseline": 1, "findings": [' + ENTRY.replace("1,", '"1",') + "]}", "findings.0.count: "),
        ('{"labelkit_baseline": 1, "findings": [' + ENTRY.replace("0000", "x") + "]}", "fingerprint: "),
        (
            '{"labelkit_baseline": 1, "findings": [' + ENTRY.replace("file", "path") + "]}",
            "findings.0.file: ",
        ),
        ('{"labelkit_baseline": 1, "findings": [], "other": 1}', "other: "),
        ('{"labelkit_baseline": ' + "[" * 10_000, "recursion limit"),
    ],
)
def test_a_malformed_file_is_told_in_a_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "known.json"
    file.write_text(text)
    with pytest.raises(UsageError) as told:
        read_baseline(file)
    message = str(told.value)
    assert str(file) in message
    assert says in message
    assert "a baseline as --write-baseline writes it" in message
    assert "\n" not in message


def test_files_that_are_no_baseline_are_refused_by_the_command(tmp_path: Path) -> None:
    path = written(tmp_path, broken())
    before = path.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    for name, says in {
        "instances_val.json": "instances_val.json: ",
        "folder": "folder: is no file; expected a baseline",
        "bytes": "bytes: ",
        "/dev/zero": "/dev/zero: is no file",
    }.items():
        for more in ([], ["--write-baseline"]):
            done = labelkit("validate", path, "--baseline", name, *more, cwd=tmp_path, env=environment())
            assert (done.returncode, done.stdout) == (2, "")
            assert says in done.stderr
            assert done.stderr.count("\n") == 1
    assert path.read_bytes() == before


def test_a_baseline_that_is_missing_is_told_and_so_is_none_to_write(tmp_path: Path) -> None:
    path = written(tmp_path, broken())
    done = labelkit("validate", path, "--baseline", "nothing", cwd=tmp_path, env=environment())
    assert done.returncode == 2
    assert "nothing: does not exist; expected a baseline; --write-baseline makes one" in done.stderr
    done = labelkit("validate", path, "--write-baseline", cwd=tmp_path, env=environment())
    assert done.returncode == 2
    assert "--write-baseline: without --baseline" in done.stderr


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    write_baseline(file, Baseline().renewed([at(id=1)], set()))
    before = file.read_bytes()
    with pytest.raises(DestinationError, match="cannot be written"):
        write_baseline(file / "inside" / "known.json", Baseline())
    assert file.read_bytes() == before
    link = tmp_path / "link.json"
    link.symlink_to(file)
    write_baseline(link, Baseline())
    assert link.is_symlink()  # the file that it names is written, as everywhere
    assert read_baseline(file) == Baseline()


def test_a_folder_is_never_replaced_by_a_baseline(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a").touch()
    with pytest.raises(DestinationError, match="no regular file"):
        write_baseline(tmp_path / "precious", Baseline())
    assert (tmp_path / "precious" / "a").exists()
