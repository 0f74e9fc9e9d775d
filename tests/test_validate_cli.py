"""``labelkit validate`` and ``labelkit rules`` as a user meets them, and what each output format says."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from test_cli import labelkit, plug_in
from test_rules_coco import clean, written

from labelkit.cli.progress import described
from labelkit.cli.validate import OUTPUTS
from labelkit.rules import rules
from labelkit.validation import TASKS, validate

SAMPLE = Path(__file__).parents[1] / "sample_data"


def photo(path: Path, size: tuple[int, int] = (60, 40), seed: int = 0, **options: object) -> Path:
    image = Image.linear_gradient("L").rotate(seed * 7).resize(size).convert("RGB")
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def dataset(root: Path) -> Path:
    """The clean set with its two images."""
    written(root, clean())
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        photo(root / name, seed=seed)
    return root


def codes(root: Path, **options: object) -> list[str]:
    return [finding.code for finding in validate(root, **options).findings]  # type: ignore[arg-type]


# --- the command -------------------------------------------------------------------------------------------


def test_clean_data_says_so_and_exits_with_0() -> None:
    # its splits are too small for the one, and COCO cannot say that an image is empty
    done = labelkit("validate", SAMPLE / "coco", "--ignore", "SPL104,STA103")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no findings (7 images, 22 objects, ")


def test_a_defect_is_shown_with_its_place_and_exits_with_1(tmp_path: Path) -> None:
    said = clean()
    said["annotations"][2]["bbox"] = [30, 3, 0, 10]
    done = labelkit("validate", written(tmp_path, said))
    assert done.returncode == 1
    assert "GEO102 empty-box (error): 1" in done.stdout
    assert "instances_val.json:annotations[2], id 3, byte" in done.stdout
    assert "\x1b" not in done.stdout


def test_fail_on_decides_the_exit_code(tmp_path: Path) -> None:
    said = clean()
    said["annotations"][0]["id"] = 0
    path = written(tmp_path, said)
    assert labelkit("validate", path).returncode == 0
    assert labelkit("validate", path, "--fail-on", "warning").returncode == 1
    assert labelkit("validate", path, "--fail-on", "warning", "--ignore", "REF111").returncode == 0


def test_what_is_not_a_data_set_is_a_wrong_use(tmp_path: Path) -> None:
    done = labelkit("validate", tmp_path)
    assert done.returncode == 2
    assert "is none of the formats" in done.stderr
    assert labelkit("validate", tmp_path / "nothing").returncode == 2
    assert labelkit("validate", SAMPLE / "coco", "--select", "GEO999").returncode == 2


def test_text_shows_a_few_and_full_shows_all(tmp_path: Path) -> None:
    said = clean()
    for key in range(4, 10):
        said["annotations"].append({**said["annotations"][2], "id": key, "bbox": [key, 1, 0, 1]})
    path = written(tmp_path, said)
    assert "and 3 more (--output-format full lists them)" in labelkit("validate", path).stdout
    assert labelkit("validate", path, "--output-format", "full").stdout.count("has no area") == 6


def test_rules_are_listed_and_explained() -> None:
    listed = labelkit("rules").stdout
    assert all(code in listed for code in rules())
    page = labelkit("rules", "geo103").stdout
    assert page == labelkit("rules", "box-outside-image").stdout
    assert page.startswith("GEO103 box-outside-image (error)\n\n")
    assert "\nFix: " in page
    wrong = labelkit("rules", "GEO1003")
    assert wrong.returncode == 2
    assert "did you mean GEO103?" in wrong.stderr


def test_a_family_is_listed_and_a_mistyped_word_is_guessed() -> None:
    listed = labelkit("rules", "geo").stdout.splitlines()
    assert {line.split()[0] for line in listed[1:]} == {code for code in rules() if code.startswith("GEO")}
    assert labelkit("rules", "GEO", "GEO114").stdout.count("\nWhy: ") > 2  # a page each
    for word, near in {"GOE": "GEO", "emty-box": "empty-box", "Empty_Boxx": "empty-box"}.items():
        assert f"did you mean {near}?" in labelkit("rules", word).stderr


def test_a_page_says_how_options_are_set() -> None:
    page = labelkit("rules", "GEO114").stdout
    assert page.endswith("\n\n    [tool.labelkit.rules.GEO114]\n    limit = 50.0\n    smallest = 2.0\n")
    assert "[tool.labelkit" not in labelkit("rules", "GEO102", "LOC101").stdout  # a task is said for all


def test_help_fits_a_terminal_and_says_what_can_be_chosen() -> None:
    text = labelkit("validate", "--help", env={**os.environ, "COLUMNS": "80"}).stdout
    assert max(len(line) for line in text.splitlines()) <= 80
    said = " ".join(text.split()).replace("- ", "-")
    assert all(f"{word}," in said or f"{word}." in said for word in (*TASKS, *OUTPUTS))
    assert text.count("\n  --help") + text.count("-h, --help") == 1
    titles = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles[:5] == ["Rules:", "Data set:", "Findings:", "Fixes:", "Configuration:"]
    assert "For voc:" in titles


def test_a_mistyped_command_is_guessed() -> None:
    done = labelkit("valdate", SAMPLE / "coco")
    assert done.returncode == 2
    assert "No such command 'valdate'; did you mean validate?" in done.stderr
    assert (
        "one of convert, formats, validate, prelabel, compare, models, show, stats, rules, schema"
        in labelkit("xyz").stderr
    )


def test_names_of_others_move_no_cursor_in_ledgers_and_errors(tmp_path: Path) -> None:
    said = clean()
    said["images"][0]["file_name"] = "a\x1b[31m\n.jpg"
    path = written(tmp_path, said)
    done = labelkit("convert", path, tmp_path / "out", "--to", "voc")
    assert "a\u241b[31m\u240a.jpg: no such image file" in done.stdout
    said["annotations"][0]["image_id"] = "\x1b[31m"
    done = labelkit("convert", written(tmp_path, said), tmp_path / "other", "--to", "voc")
    assert done.returncode == 2
    assert "\x1b" not in done.stdout + done.stderr


def test_counts_of_one_are_singular(tmp_path: Path) -> None:
    said = clean()
    said["images"], said["annotations"] = said["images"][:1], said["annotations"][:1]
    done = labelkit("validate", written(tmp_path, said), "--select", "GEO102")
    assert done.stdout == "no findings (1 image, 1 object, 1 rule)\n"


def test_options_name_the_format_by_the_option_of_this_command(tmp_path: Path) -> None:
    empty = tmp_path / "far" / "away"  # from data sets that would be suggested
    empty.mkdir(parents=True)
    assert "name the format with --format" in labelkit("validate", empty).stderr
    assert "name the format with --from" in labelkit("convert", empty, tmp_path / "o", "--to", "voc").stderr


# --- streams -----------------------------------------------------------------------------------------------


def shell(command: str) -> subprocess.CompletedProcess[str]:
    text = command.replace("labelkit", f"{sys.executable} -m labelkit")
    return subprocess.run(["bash", "-o", "pipefail", "-c", text], capture_output=True, text=True, timeout=120)


def empty_boxes(path: Path, count: int) -> Path:
    said = clean()
    for key in range(10, 10 + count):
        said["annotations"].append({**said["annotations"][2], "id": key, "bbox": [key, 1, 0, 1]})
    return written(path, said)


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("target", [">/dev/full", ">&-"], ids=["full disk", "closed"])
def test_a_result_that_cannot_be_written_is_one_line_and_exit_2(
    tmp_path: Path, output: str, target: str
) -> None:
    done = shell(f"labelkit validate {empty_boxes(tmp_path, 3)} --output-format {output} {target}")
    assert done.returncode == 2
    assert done.stderr.startswith("labelkit: error: stdout: cannot be written (")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["rules", "schema record", "--help"])
def test_no_command_is_silent_about_a_closed_stdout(command: str) -> None:
    done = shell(f"labelkit {command} >&-")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "internal error" not in done.stderr


def test_a_stderr_that_is_full_or_closed_changes_no_exit_code(tmp_path: Path) -> None:
    path = empty_boxes(tmp_path, 1)
    for target in ("2>/dev/full", "2>&-"):
        assert shell(f"labelkit validate {path} {target}").returncode == 1
        assert shell(f"labelkit validate {tmp_path}/nothing {target}").returncode == 2
        assert shell(f"labelkit frobnicate {target}").returncode == 2


@pytest.mark.parametrize("count", [1, 3000])
def test_findings_fail_though_nobody_reads_them_to_their_end(tmp_path: Path, count: int) -> None:
    path = empty_boxes(tmp_path, count)
    done = shell(f"labelkit validate {path} --output-format full | true")
    assert (done.returncode, done.stderr) == (1, "")
    done = shell(f"labelkit validate {path} --output-format full --select LOC | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    assert described(0, 100, 0.0) == described(0, None, 3.0) == ""
    assert described(1500, None, 1.0) == "1,500 images, 1,500/s"
    assert described(100, 2500, 20.0) == "100 of 2,500 images, 5.0/s, 8:00 left"
    assert described(10, 10, 0.1) == "10 of 10 images, 100/s, 0:00 left"


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    path = empty_boxes(tmp_path, 3000)
    printed = tmp_path / "printed.txt"
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "labelkit", "validate", path]
    shown = b""
    with (
        printed.open("wb") as stdout,
        subprocess.Popen(command, stdout=stdout, stderr=theirs, env=environment) as process,
    ):
        os.close(theirs)
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while data := os.read(ours, 4096):
                shown += data
        process.wait(timeout=60)
    os.close(ours)
    assert process.returncode == 1
    assert b"validating" in shown
    assert b"2 images, " in shown
    assert b"\x1b" not in printed.read_bytes()
    assert labelkit("validate", path).stderr == ""


def catches(process: int, number: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_a_stopped_validation_says_no_more_than_that(tmp_path: Path) -> None:
    path = empty_boxes(tmp_path, 100_000)
    command = [sys.executable, "-m", "labelkit", "validate", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not catches(process.pid, signal.SIGHUP):  # which the command does as soon as it runs
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.strip()) == (130, "", "labelkit: stopped")


# --- outputs -----------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A data set whose names are made to break outputs, with one error."""
    said = clean()
    said["images"][1]["file_name"] = 'a,b::c%<&">\n.jpg'
    said["annotations"][2]["bbox"] = [30, 3, 0, 10]
    return written(tmp_path, said)


def test_json_has_every_part_of_the_place(hostile: Path) -> None:
    done = json.loads(labelkit("validate", hostile, "--output-format", "json", "--select", "GEO").stdout)
    (finding,) = done["findings"]
    assert done["counts"] == {"error": 1, "warning": 0, "info": 0}
    assert (finding["code"], finding["name"], finding["severity"]) == ("GEO102", "empty-box", "error")
    place = finding["at"]
    assert hostile.read_bytes()[place["offset"] :].startswith(b'{"id": 3')
    assert (place["id"], place["box"]) == (3, [30, 3, 0, 10])
    assert place["image"] == 'a,b::c%<&">\n.jpg'
    lines = labelkit("validate", hostile, "--output-format", "jsonl", "--select", "GEO").stdout.splitlines()
    assert [json.loads(line) for line in lines] == done["findings"]


def test_github_commands_are_one_line_each_and_capped(tmp_path: Path) -> None:
    said = clean()
    for key in range(4, 16):
        said["annotations"].append({**said["annotations"][2], "id": key, "bbox": [key, 1, 0, 1]})
    path = written(tmp_path, said)
    options = ("--output-format", "github", "--select", "GEO")
    lines = labelkit("validate", path.name, *options, cwd=tmp_path).stdout.splitlines()
    commands = [line for line in lines if line.startswith("::error ")]
    assert len(commands) == 10
    assert commands[0].startswith("::error title=GEO102 empty-box,file=instances_val.json,line=1,col=")
    assert "2 more of severity error" in "\n".join(lines)


def test_junit_is_xml_with_a_case_a_rule(hostile: Path) -> None:
    done = labelkit("validate", hostile, "--output-format", "junit")
    suite = ElementTree.fromstring(done.stdout)
    assert len(suite.findall("testcase")) == len(rules())
    failed = [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]
    assert failed == ["GEO102 empty-box"]


# --- image files -------------------------------------------------------------------------------------------


def test_a_set_with_its_images_is_clean(tmp_path: Path) -> None:
    assert codes(dataset(tmp_path)) == []


def test_each_defect_of_an_image_is_one_finding(tmp_path: Path) -> None:
    root = dataset(tmp_path)
    other = root / "b.jpg"
    good = other.read_bytes()
    for data, code in [
        (b"", "IMG109"),
        (b"<html>not found</html>", "IMG101"),
        (good[:-60], "IMG102"),
        (photo(tmp_path / "x.png", seed=1).read_bytes(), "IMG103"),
        (photo(tmp_path / "x.jpg", (61, 40), seed=1).read_bytes(), "IMG104"),
        ((root / "a.jpg").read_bytes(), "IMG107"),
    ]:
        other.write_bytes(data)
        for file in ("x.png", "x.jpg"):
            (tmp_path / file).unlink(missing_ok=True)
        assert codes(root) == [code]
        assert codes(root, images=False) == []


def test_a_turned_photograph_is_named_as_such(tmp_path: Path) -> None:
    root = dataset(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(root / "b.jpg", (40, 60), seed=1, exif=exif)
    assert codes(root) == ["CNV107"]


def test_missing_and_unlisted_images_are_told(tmp_path: Path) -> None:
    root = dataset(tmp_path)
    (root / "b.jpg").rename(root / "c.jpg")
    assert sorted(codes(root)) == ["REF106", "REF107"]


def test_the_same_image_in_two_splits_is_an_error(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        said = clean()
        said["images"] = said["images"][:1]
        said["annotations"] = said["annotations"][:2]
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / f"annotations/instances_{split}.json").write_text(json.dumps(said), "utf-8")
        photo(tmp_path / split / "a.jpg")
    assert codes(tmp_path) == ["SPL101"]


# --- tasks -------------------------------------------------------------------------------------------------


def test_tasks_decide_what_is_expected(tmp_path: Path) -> None:
    path = written(tmp_path, clean())
    assert codes(path, ignore=["REF112"]) == []
    assert codes(path, ignore=["REF112"], task="localization") == ["LOC101"]  # a.jpg has two objects


def test_two_classes_are_wrong_where_one_is_expected(tmp_path: Path) -> None:
    said = clean()
    said["annotations"] = [
        {"id": key, "image_id": image, "category_id": category}
        for key, image, category in ((1, 1, 1), (2, 1, 2), (3, 2, 1))
    ]
    path = tmp_path / "labels_val.json"
    path.write_text(json.dumps(said), "utf-8")
    assert codes(path, ignore=["REF112"]) == []
    assert codes(path, ignore=["REF112"], task="classification") == ["LBL102"]


# --- splits ------------------------------------------------------------------------------------------------


def splits(root: Path, second: str) -> Path:
    """a.jpg in train; b.jpg, or another name, in val."""
    (root / "annotations").mkdir()
    said = clean()
    for split, image in zip(("train", "val"), said["images"], strict=True):
        part = {**said, "images": [image]}
        part["annotations"] = [each for each in said["annotations"] if each["image_id"] == image["id"]]
        image["file_name"] = "a_1.jpg" if split == "train" else second
        (root / f"annotations/instances_{split}.json").write_text(json.dumps(part), "utf-8")
    return root


def test_a_group_must_not_be_in_two_splits(tmp_path: Path) -> None:
    root = splits(tmp_path, "a_2.jpg")
    chosen = {"select": ["SPL103"]}
    assert codes(root, **chosen) == []
    assert codes(root, **chosen, group=r"(\w)_\d") == ["SPL103"]
    assert codes(root, **chosen, group=r"\w_\d") == []
    done = labelkit("validate", root, "--select", "SPL103", "--group", r"/(\w)_")
    assert "group 'a' is in val, and in train (train/a_1.jpg)" in done.stdout
    assert labelkit("validate", root, "--group", "(").returncode == 2


def test_a_class_that_only_one_split_has_is_told(tmp_path: Path) -> None:
    (finding,) = validate(splits(tmp_path, "b.jpg"), select=["SPL104"]).findings
    assert finding.message == "1 class without an object: cat"
    assert finding.at is not None
    assert finding.at.element == "split val"


def test_options_of_another_format_are_refused() -> None:
    assert labelkit("validate", SAMPLE / "voc", "--voc-base", "1").returncode == 0
    done = labelkit("validate", SAMPLE / "coco", "--voc-base", "1")
    assert done.returncode == 2
    assert "--voc-…: does nothing" in done.stderr


# --- progress ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coco", "voc", "cityscapes", "jsonl"])
def test_progress_has_an_end_and_comes_to_it(name: str) -> None:
    told: list[tuple[int, int | None]] = []
    done = validate(SAMPLE / name, progress=lambda images, total: told.append((images, total)))
    assert {total for _, total in told} == {done.images}
    assert [images for images, _ in told] == sorted(images for images, _ in told)
    assert told[-1][0] == done.images


def test_images_are_done_when_their_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["labelkit.formats.coco.inspect"], "_PER_TABLE", 4)
    monkeypatch.setattr("labelkit.validation._FILES", 2)
    for role in ("instances", "person_keypoints"):  # which describe the same images
        said = clean()
        said["images"] = [{**said["images"][0], "id": k, "file_name": f"{k}.jpg"} for k in range(1, 9)]
        (tmp_path / f"{role}_val.json").write_text(json.dumps(said), "utf-8")
    for k in range(1, 7):
        photo(tmp_path / f"{k}.jpg", seed=k)
    told: list[int] = []
    validate(tmp_path, select=["IMG", "GEO"], progress=lambda images, _: told.append(images))
    steps = list(dict.fromkeys(told))
    assert steps[:4] == [0, 2, 4, 6]
    assert steps[-1] == 8


# --- rules of others ---------------------------------------------------------------------------------------

MINE = '''
from labelkit.rules import Fault, rule
from labelkit.table import Table

@rule("{code}", "warning")
def too_many(table: Table, *, most: int = 2):
    """An image has more objects than I like.

    Why: I say so.
    Fix: leave some out.
    Example: three cats
    Option: most, the number of objects.
    """
    for rows in table.groups():
        if len(rows) > most:
            yield Fault(int(rows[-1]), f"{{len(rows)}} objects; expected {{most}} at most")
'''
RULES = "[labelkit.rules]\nmine = mine"


def test_another_package_can_bring_rules(tmp_path: Path) -> None:
    environment = plug_in(tmp_path, MINE.format(code="MIN101"), RULES)
    path = written(tmp_path, clean())
    assert "too-many" in labelkit("rules", "MIN101", env=environment).stdout
    done = labelkit("validate", path, "--select", "MIN", "--option", "MIN101.most=1", env=environment)
    assert "MIN101 too-many (warning): 1\n  instances_val.json:annotations[1], id 2" in done.stdout
    assert "2 objects; expected 1 at most" in done.stdout
    assert labelkit("validate", path, "--select", "MIN", env=environment).stdout.startswith("no findings")


def test_a_rule_of_another_package_cannot_take_a_code_that_there_is(tmp_path: Path) -> None:
    done = labelkit("rules", env=plug_in(tmp_path, MINE.format(code="GEO102"), RULES))
    assert done.returncode == 2
    assert "rule GEO102: of mine, and of labelkit.rules.boxes" in done.stderr
