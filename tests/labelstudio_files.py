"""Tasks and exports as Label Studio writes them, by hand from its documentation and its editor's source."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from labelkit.findings import Finding
from labelkit.formats import formats
from labelkit.loss import fit, fit_header
from labelkit.model import Header, Record
from labelkit.pipeline import open_dataset

CONFIG = """<View>
  <!-- made by a human -->
  <Image name="img" value="$picture" zoom="true"/>
  <RectangleLabels name="tag" toName="img" strokeWidth="5">
    <Label value="cat" background="#ff0000" hotkey="1"/>
    <Label value="dog" background="Blue"/>
  </RectangleLabels>
  <PolygonLabels name="poly" toName="img">
    <Label value="cat"/><Label value="bird" background="#0f0"/>
  </PolygonLabels>
  <BrushLabels name="brush" toName="img"><Label value="cat"/></BrushLabels>
  <EllipseLabels name="round" toName="img"><Label value="coin"/></EllipseLabels>
  <Choices name="weather" toName="img" choice="single">
    <Choice value="sunny"/><Choice value="rain"/>
  </Choices>
  <TextArea name="note" toName="img"/>
</View>
"""
SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}


def region(key: str, name: str, **more: Any) -> dict[str, Any]:
    """A rectangle of x 20, y 10, w 100, h 50 pixels."""
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": [name]}
    return {
        **SIZE, "value": value, "id": key, "from_name": "tag", "to_name": "img", "type": "rectanglelabels",
        "origin": "manual", **more,
    }  # fmt: skip


def moved(item: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The region with other values, as the editor leaves a prediction that somebody edited."""
    changed = copy.deepcopy(item)
    changed["value"].update(values)
    return {**changed, "origin": "prediction-changed"}


def prediction(
    key: int, *results: dict[str, Any], model: str | None = "maskrcnn-v1", **more: Any
) -> dict[str, Any]:
    return {
        "id": key, "model_version": model, "created_ago": "3 hours", "result": list(results), "score": 0.75,
        "cluster": None, "neighbors": None, "mislabeling": 0.0, "created_at": "2024-03-01T10:00:00.000000Z",
        "task": 7, "project": 3, **more,
    }  # fmt: skip


def annotation(key: int, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": key, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False,
        "created_at": "2024-03-02T10:00:00.000000Z", "updated_at": "2024-03-02T10:00:05.123456Z",
        "draft_created_at": None, "lead_time": 4.288, "prediction": {}, "result_count": len(results),
        "unique_id": "3b0e8a4e-6b7a-4d53-9b1a-000000000001", "last_action": None, "task": 7, "project": 3,
        "updated_by": 1, "parent_prediction": None, "parent_annotation": None, **more,
    }  # fmt: skip


def task(
    annotations: list[dict[str, Any]], predictions: list[dict[str, Any]], image: str = "a.jpg", **more: Any
) -> dict[str, Any]:
    return {
        "id": 7, "annotations": annotations, "file_upload": "8a1b2c3d-a.jpg", "drafts": [],
        "predictions": predictions, "data": {"picture": image}, "meta": {}, "inner_id": 1,
        "created_at": "2024-03-01T09:00:00Z", "updated_at": "2024-03-02T10:00:05Z", **more,
    }  # fmt: skip


def written(root: Path, tasks: Any, config: str | None = CONFIG) -> Path:
    """A folder with tasks and a configuration."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "tasks.json").write_text(json.dumps(tasks), "utf-8")
    if config is not None:
        (root / "labels.xml").write_text(config, "utf-8")
    return root


def read(root: Path, **options: Any) -> tuple[Header, list[Any]]:
    """The header, and records, errors and findings in their order."""
    dataset = open_dataset(root, format="labelstudio", **options)
    return dataset.header, [item for part in dataset.reader.parts() for item in dataset.items(part)]


def records(root: Path, **options: Any) -> list[Record]:
    return [item for item in read(root, **options)[1] if isinstance(item, Record)]


def one(tmp: Path, *tasks: dict[str, Any], config: str | None = CONFIG) -> Record:
    """The first record of some tasks."""
    return records(written(tmp, list(tasks), config))[0]


def told(root: Path) -> list[str]:
    """The errors of a folder, and what its findings say."""
    others = [item for item in read(root)[1] if not isinstance(item, Record)]
    return [item.message if isinstance(item, Finding) else str(item) for item in others]


def rewritten(root: Path, header: Header, items: list[Record]) -> list[dict[str, Any]]:
    """Records fitted and written anew, as JSON."""
    target, _ = fit_header(header, formats()["labelstudio"])
    root.mkdir()
    writer = formats()["labelstudio"].create(root, target.header)
    writer.write(0, [fit(record, target).record for record in items])
    writer.finish()
    found: list[dict[str, Any]] = json.loads((root / "tasks.json").read_text("utf-8"))
    return found
