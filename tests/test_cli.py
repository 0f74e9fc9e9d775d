"""The command line as a user meets it: exit codes, streams, one line a failure, nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[1] / "sample_data"


def labelkit(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labelkit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, labelkit.cli\n"
        "try: labelkit.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pydantic', 'PIL', 'msgspec', 'rich', 'shapely', 'pycocotools', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "convert" in done.stdout
    assert done.stderr.strip() == "[]"


def test_a_conversion_prints_its_ledger_and_exits_with_0(tmp_path: Path) -> None:
    done = labelkit("convert", SAMPLE / "voc", tmp_path / "out", "--to", "coco")
    assert done.returncode == 0, done.stderr
    assert "7 records" in done.stdout
    assert "LOS" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert (tmp_path / "out" / "annotations").is_dir()


def test_the_report_is_the_ledger_as_json(tmp_path: Path) -> None:
    report = tmp_path / "ledger.json"
    arguments = ["convert", SAMPLE / "voc", tmp_path / "out", "--to", "coco", "--report", report]
    done = labelkit(*arguments, "--output-format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(report.read_text("utf-8"))
    assert all(row["carried"] for row in json.loads(done.stdout)["ledger"] if row["code"].startswith("LOS1"))


def test_strict_refuses_what_no_carrier_brings_back(tmp_path: Path) -> None:
    done = labelkit("convert", SAMPLE / "voc", tmp_path / "o", "--to", "coco", "--strict", "--no-carrier")
    assert done.returncode == 1
    assert "would be lost" in done.stderr
    assert entries(tmp_path) == []
    done = labelkit("convert", SAMPLE / "voc", tmp_path / "o", "--to", "coco", "--strict")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["convert", "{sample}/nothing", "{out}", "--to", "coco"], "does not exist"),
        (["convert", "{sample}/coco", "{out}", "--to", "yolo"], "one of"),
        (["convert", "{sample}/coco", "{out}"], "--to"),
        (["convert", "{sample}", "{out}", "--to", "coco"], "none of the formats"),
        (["convert", "{sample}/coco", "{out}", "--to", "voc", "--only", "keypoints"], "not one of"),
        (["convert", "{sample}/coco", "{out}", "--to", "voc", "--classes", "unicorn"], "no class"),
        (["convert", "{sample}/coco", "{out}", "--to", "voc", "--map", "nothing"], "no map"),
        (["convert", "{sample}/coco", "{sample}/coco", "--to", "voc"], "source itself"),
        (["convert", "{sample}/coco", "{sample}/coco/x", "--to", "voc"], "inside the source"),
        (["frobnicate"], "No such command"),
        (["schema", "nothing"], "is not one of"),
    ],
)
def test_wrong_usage_is_one_clear_message_and_exit_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = labelkit(*[text.format(sample=SAMPLE, out=tmp_path / "out") for text in arguments])
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert entries(tmp_path) == []


def test_an_existing_destination_is_refused_and_overwritten_when_said(tmp_path: Path) -> None:
    arguments = ["convert", SAMPLE / "coco", tmp_path / "out", "--to", "voc"]
    assert labelkit(*arguments).returncode == 0
    again = labelkit(*arguments)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert labelkit(*arguments, "--overwrite").returncode == 0
    assert entries(tmp_path) == ["out"]


def test_detect_says_which_format_and_why_not_the_others() -> None:
    for name in ("coco", "voc", "cityscapes", "jsonl", "cvat"):
        done = labelkit("formats", "--detect", SAMPLE / name, "--output-format", "json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        assert rows[0]["format"] == name
        assert [row["is it"] for row in rows].count("yes") == 1
        assert all(row["why"] for row in rows)


def test_every_problem_of_a_run_is_reported_and_nothing_published(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SAMPLE / "jsonl", source)
    lines = (source / "records.jsonl").read_text("utf-8").splitlines(keepends=True)
    lines[1] = lines[1].replace('"width":', '"width":-')
    lines[3] = lines[3][:200] + "\n"
    (source / "records.jsonl").write_text("".join(lines), "utf-8")
    done = labelkit("convert", source, tmp_path / "out", "--to", "coco")
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 3
    assert "records.jsonl:2: image.width" in done.stderr
    assert "records.jsonl:4" in done.stderr
    assert entries(tmp_path) == ["source"]
    done = labelkit("convert", source, tmp_path / "out", "--to", "coco", "--on-error", "skip")
    assert done.returncode == 1
    assert "2 records were left out" in done.stdout
    assert "5 records" in done.stdout
    assert entries(tmp_path) == ["out", "source"]


def test_two_images_of_one_place_are_an_error_that_names_both(tmp_path: Path) -> None:
    source = tmp_path / "source.jsonl"
    record = '{"image":{"path":"%s","width":4,"height":4}}\n'
    source.write_text('{"labelkit":1,"header":{}}\n' + record % "a.jpg" + record % "a.png")
    done = labelkit("convert", source, tmp_path / "out", "--to", "voc")
    assert done.returncode == 2
    assert "a.jpg" in done.stderr
    assert "a.png" in done.stderr
    assert entries(tmp_path) == ["source.jsonl"]


@pytest.mark.parametrize("to", ["coco", "voc", "cityscapes", "jsonl", "cvat"])
def test_a_full_disk_leaves_nothing(to: str, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = labelkit("convert", SAMPLE / "jsonl", tmp_path / "out", "--to", to, preexec_fn=small_files)
    assert done.returncode == 2
    assert "writing failed" in done.stderr
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "code", "says"), [(signal.SIGINT, 130, "stopped"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_stopped_conversion_leaves_nothing(tmp_path: Path, number: int, code: int, says: str) -> None:
    source = tmp_path / "big.jsonl"
    record = '{"image":{"path":"%d.jpg","width":4,"height":4}}\n'
    with source.open("w") as stream:
        stream.write('{"labelkit":1,"header":{}}\n')
        stream.writelines(record % number for number in range(100_000))
    command = [sys.executable, "-m", "labelkit", "convert", source, tmp_path / "out", "--to", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".out.labelkit-new.*")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert says in stderr
    assert "Traceback" not in stderr
    assert entries(tmp_path) == ["big.jsonl"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m labelkit schema record | head -c 10"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=os.environ.copy()
    )
    assert done.returncode == 0
    assert done.stderr == ""


def plug_in(root: Path, text: str, entry: str = "[labelkit.formats]\nmine = mine:FORMAT") -> dict[str, str]:
    """An environment in which another package offers something: a format, if not said otherwise."""
    info = root / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"{entry}\n")
    (root / "mine.py").write_text(text)
    return {**os.environ, "PYTHONPATH": str(root)}


def test_another_package_can_bring_a_format(tmp_path: Path) -> None:
    text = (
        "from dataclasses import replace\n"
        "from labelkit.formats import Evidence\n"
        "from labelkit.formats.jsonl import FORMAT as base\n"
        "FORMAT = replace(base, name='mine', detect=lambda path: Evidence(0, 'never'))\n"
    )
    environment = plug_in(tmp_path, text)
    done = labelkit("convert", SAMPLE / "coco", tmp_path / "out", "--to", "mine", env=environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "records.jsonl").exists()
    listed = labelkit("formats", "--output-format", "json", env=environment)
    assert "mine" in json.loads(listed.stdout)


def test_a_plug_in_that_does_not_load_is_named(tmp_path: Path) -> None:
    done = labelkit("formats", env=plug_in(tmp_path, "import no_such_module\n"))
    assert done.returncode == 2
    assert "plug-in mine:FORMAT: cannot be loaded" in done.stderr
    assert "internal error" not in done.stderr
