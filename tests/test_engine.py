"""Where work runs makes no difference to what comes out, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_malformed import FAULTS
from test_rules_coco import clean, written

from labelkit.engine import engine
from labelkit.errors import LabelkitError
from labelkit.formats.coco.index import Index
from labelkit.validation import Validation, validate

SAMPLE = Path(__file__).parents[1] / "sample_data"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the first piece of work goes to other processes at once."""
    monkeypatch.setattr("labelkit.engine.PATIENCE", 0.0)


def said(result: Validation) -> tuple[object, ...]:
    survey = result.survey
    assert survey is not None
    columns = survey.table.image.tolist(), list(survey.table.category), survey.table.box.tolist()
    return result.findings, result.images, result.objects, survey.files, survey.strangers, columns


@pytest.mark.parametrize("name", ["coco", "voc", "cityscapes", "jsonl"])
def test_any_number_of_processes_finds_the_same(name: str) -> None:
    alone, shared = validate(SAMPLE / name), validate(SAMPLE / name, jobs=2)
    assert repr(said(alone)) == repr(said(shared))  # NaN is no equal of itself


def test_many_tables_with_defects_are_found_in_the_order_of_the_file(tmp_path: Path) -> None:
    document = clean()
    number = 4500  # images, of which 2000 make a table
    document["images"] = [{**document["images"][0], "id": k, "file_name": f"{k}.jpg"} for k in range(number)]
    first, second, third = document["annotations"]
    rle_of_nothing = {"size": [40, 60], "counts": [2400]}
    document["annotations"] = [
        {**first, "id": 3 * k + 1, "image_id": k, "bbox": [2, 3, 0 if k % 500 == 7 else 10, 10]}
        for k in range(number)
    ]
    document["annotations"] += [
        {**second, "id": 3 * k + 2, "image_id": k, "segmentation": rle_of_nothing}
        for k in range(0, number, 400)
    ]
    document["annotations"] += [{**third, "id": 3 * k + 3, "image_id": k} for k in (1, 1000, 4000)]
    document["annotations"] += [{**third, "id": 3 * number + k, "image_id": k} for k in (1, 1000, 4000)]
    path = written(tmp_path, document)
    rules = ["GEO102", "GEO115", "MSK105"]
    alone, shared = validate(path, select=rules), validate(path, select=rules, jobs=2)
    assert [each.code for each in alone.findings].count("MSK105") == 12
    assert [each.code for each in alone.findings].count("GEO115") == 3
    assert alone.findings == shared.findings


@pytest.mark.parametrize("name", list(FAULTS)[::25])
def test_broken_data_is_found_by_processes_too(name: str, tmp_path: Path) -> None:
    FAULTS[name][0](tmp_path / "set")
    assert validate(tmp_path / "set").findings == validate(tmp_path / "set", jobs=2).findings


def double(factor: int, number: int) -> int:
    return factor * number


def fail(shared: int, number: int) -> int:
    raise ValueError(f"{number} of {shared}")


def die(shared: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(shared: int, seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_work(jobs: int) -> None:
    found: list[object] = []
    with engine(jobs) as started:
        for number in range(50):
            started.run(found.append, double, 2, number)
            if number == 20:
                started.follow(lambda: found.append("in between"))
    assert found == [*range(0, 42, 2), "in between", *range(42, 100, 2)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_work_is_raised(jobs: int) -> None:
    with pytest.raises(ValueError, match="3 of 7"), engine(jobs) as started:
        started.run(lambda _: None, sleep, 7, 0.0)
        started.run(print, fail, 7, 3)


def test_a_process_that_is_killed_is_told_in_one_line() -> None:
    with pytest.raises(LabelkitError, match="a process of --jobs: ended by itself"), engine(2) as started:
        started.run(lambda _: None, sleep, 0, 0.0)
        started.run(lambda _: None, die, 0)


def much(shared: str, number: int) -> bytes:
    result = bytes(200_000_000)  # takes longer to send than a process to end
    (Path(shared) / str(number)).touch()
    return result


def test_processes_that_end_in_the_middle_of_a_result_are_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(KeyError), engine(2) as started:
        started.run(lambda _: None, sleep, 0, 0.0)
        for number in range(2):
            started.run(lambda _: None, much, str(tmp_path), number)
        assert until(lambda: any(tmp_path.iterdir()))
        time.sleep(0.15)  # it is packed, and a part of it is sent
        raise KeyError


BUSY = """
import sys
from labelkit import engine as module
from labelkit.engine import engine
from test_engine import sleep, tell
if __name__ == "__main__":
    module.PATIENCE = 0.0
    with engine(2) as started:
        started.run(lambda _: None, sleep, 0, 0.0)
        for _ in range(2):
            started.run(lambda _: None, tell, sys.argv[1])
"""


def tell(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()  # Z: ended, and nobody has asked how
    except OSError:
        return False


def until(condition: Callable[[], bool]) -> bool:
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_processes_end_with_the_one_that_began_them_even_if_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    (tmp_path / "told").mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    main = subprocess.Popen(
        [sys.executable, tmp_path / "busy.py", tmp_path / "told"], env={**os.environ, "PYTHONPATH": path}
    )
    assert until(lambda: len(list((tmp_path / "told").iterdir())) == 2)
    main.kill()
    main.wait()
    pids = [int(file.name) for file in (tmp_path / "told").iterdir()]
    assert until(lambda: not any(map(is_running, pids)))


STOPPED = """
import os, signal, sys
from labelkit import engine as module
from labelkit.engine import engine
from test_engine import sleep, tell
if __name__ == "__main__":
    module.PATIENCE = 0.0
    try:
        with engine(2) as started:
            started.run(lambda _: None, sleep, 0, 0.0)
            for _ in range(2):
                started.run(lambda _: None, tell, sys.argv[1])
            if sys.argv[2] == "starting":  # as a Ctrl-C: to this process and to those that it has just begun
                os.killpg(0, signal.SIGINT)
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("moment", ["starting", "working"])
def test_a_stopped_run_ends_at_once_without_a_word_of_its_processes(tmp_path: Path, moment: str) -> None:
    (tmp_path / "busy.py").write_text(STOPPED)
    (tmp_path / "told").mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    main = subprocess.Popen(
        [sys.executable, tmp_path / "busy.py", tmp_path / "told", moment],
        env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if moment == "working":  # for a minute
        assert until(lambda: len(list((tmp_path / "told").iterdir())) == 2)
        os.killpg(main.pid, signal.SIGINT)
    assert main.communicate(timeout=30) == ("stopped\n", "")
    pids = [int(file.name) for file in (tmp_path / "told").iterdir()]
    assert until(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '[{"id": 1}]',
        '[{"id": 1}, {"id": 22}, {"id": 333}]',
        '[{"id": 1},  {"id": 22}, {"id": 333},{"id": 4}]',
        '[{"id": 1}, 7, {"id": 333}]',
        '\ufeff[{"id": 1},\n{"id": 22},\n{"id": 333}]',
    ],
)
def test_annotations_are_known_by_their_bytes(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    index, data = Index(tmp_path / "a.json"), text.encode()
    found = [data[start : start + length] for start, length in index.spans.tolist()]
    assert found == [bytes(raw) for raw in index.annotations]
