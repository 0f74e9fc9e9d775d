"""A Ray cluster gives the same bytes and findings as one process, also where a node is lost on the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_convert_jobs import contents, small_parts_elsewhere, told
from test_image_order import jsonl

from labelkit.engine import engine
from labelkit.errors import FormatError, UsageError
from labelkit.formats import formats
from labelkit.model import Record
from labelkit.pipeline import convert
from labelkit.validation import validate

ray = pytest.importorskip("ray") if not os.environ.get("CI") else __import__("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own
SAMPLE = Path(__file__).parents[1] / "sample_data"
__all__ = ["small_parts_elsewhere"]  # every image is a part, and all but the first go to the cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    made.lost = [made.add_node(**node) for _ in range(2)]
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def failing(shared: int, number: int) -> int:
    raise FormatError("a.json", f"{number} of {shared}", "something else")


def test_an_error_of_a_part_comes_back_as_it_was(cluster: Any) -> None:
    with pytest.raises(FormatError) as caught, engine(None, "ray") as started:
        started.run(lambda _: None, time.sleep, 0.0)
        started.run(print, failing, 7, 3)
    assert str(caught.value) == "a.json: 3 of 7; expected something else"


@pytest.mark.parametrize("name", ["coco", "voc"])
def test_a_cluster_finds_the_same(name: str, cluster: Any) -> None:
    assert validate(SAMPLE / name).findings == validate(SAMPLE / name, engine="ray").findings


@pytest.mark.parametrize("target", list(formats()))
def test_a_cluster_writes_the_same(target: str, cluster: Any, tmp_path: Path) -> None:
    alone = convert(SAMPLE / "coco", tmp_path / "one" / "x", to=target)
    shared = convert(SAMPLE / "coco", tmp_path / "two" / "x", to=target, engine="ray")
    assert told(alone) == told(shared)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def slowly(record: Record) -> Record:
    time.sleep(0.1)
    return record


@pytest.mark.parametrize("target", ["cityscapes", "voc"])
def test_a_node_that_is_lost_changes_no_byte(target: str, cluster: Any, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", [f"{k}.png" for k in range(60)], ["train"] * 60)
    convert(source, tmp_path / "one" / "x", to=target)
    node = cluster.lost.pop()
    done: list[int] = []

    def advance(count: int, total: int | None) -> None:
        done.append(count)
        if count == 15:
            threading.Thread(target=cluster.remove_node, args=(node, False)).start()

    report = convert(source, tmp_path / "two" / "x", to=target, engine="ray", edit=slowly, progress=advance)
    assert report.records == done[-1] == 60
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def dies_once(record: Record, marker: Path) -> Record:
    if record.image.path == "6.png" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return record


@pytest.mark.parametrize("target", list(formats()))
def test_a_part_that_lost_its_worker_half_way_is_done_again(
    target: str, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelkit.formats.jsonl.PART", 4)  # so that there are two images before the sixth
    source = jsonl(tmp_path / "a", [f"{k}.png" for k in range(12)], ["train"] * 12)
    convert(source, tmp_path / "one" / "x", to=target)
    edit = partial(dies_once, marker=tmp_path / "died")
    convert(source, tmp_path / "two" / "x", to=target, engine="ray", edit=edit)
    assert (tmp_path / "died").exists()
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'pip install "labelkit-vision\[ray\]"'):
        validate(SAMPLE / "coco", engine="ray")


def test_an_address_without_ray_is_refused() -> None:
    with pytest.raises(UsageError, match="--ray-address: does nothing for processes"):
        validate(SAMPLE / "coco", ray_address="auto")
