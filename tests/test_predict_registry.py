"""Which models there are, and which class each output is: no shift by one, no gap that is a class."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torchvision.models import detection, get_model_weights, list_models, segmentation

import labelkit
from labelkit.errors import UsageError
from labelkit.predict import TASKS
from labelkit.predict.registry import (
    DEFAULTS,
    class_names,
    find_model,
    find_weights,
    model_entries,
    usable_weights,
)

ENTRIES = {entry.name: entry for entry in model_entries()}
# PASCAL VOC devkit 2012, 4.1; the value of each class in a segmentation PNG is its place, from 1.
VOC = """
    aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person
    pottedplant sheep sofa train tvmonitor
""".split()  # noqa: SIM905


def test_every_detector_segmenter_and_classifier_of_torchvision_is_there() -> None:
    every = {
        "detection": set(list_models(module=detection)),
        "semantic": set(list_models(module=segmentation)),
        "classification": set(list_models(module=sys.modules["torchvision.models"])),
    }
    for task, names in every.items():
        assert {name for name, entry in ENTRIES.items() if task in entry.tasks} == names
    assert {n for n, e in ENTRIES.items() if "instance" in e.tasks} == {
        "maskrcnn_resnet50_fpn",
        "maskrcnn_resnet50_fpn_v2",
    }


def test_models_of_video_flow_and_quantised_ones_are_not() -> None:
    assert not {"raft_small", "r3d_18", "quantized_resnet18"} & ENTRIES.keys()


@pytest.mark.parametrize("task", TASKS)
def test_the_default_of_every_task_is_one_of_its_models(task: str) -> None:
    assert task in ENTRIES[DEFAULTS[task]].tasks


def test_cocos_categories_are_the_outputs_of_their_ids(corpus: Path) -> None:
    said = json.loads((corpus / "coco-val2014-100" / "instances_val2014_100.json").read_text())
    by_id = {item["id"]: item["name"] for item in said["categories"]}
    detectors = [e for e in ENTRIES.values() if "detection" in e.tasks and "keypoint" not in e.name]
    assert len(by_id) == 80 and len(detectors) >= 11
    for entry in detectors:
        for weights in entry.weights:
            found = {k: name for k, name in enumerate(weights.classes) if name is not None}
            assert found == by_id, entry.name


def test_vocs_classes_are_the_outputs_of_their_values() -> None:
    for entry in ENTRIES.values():
        if "semantic" in entry.tasks:
            for weights in entry.weights:
                assert weights.classes == (None, *VOC), entry.name


def test_every_classifier_has_its_thousand_classes_once_each() -> None:
    for entry in ENTRIES.values():
        if entry.tasks == ("classification",):
            for weights, item in zip(entry.weights, usable_weights(entry.name), strict=True):
                assert list(weights.classes) == item.meta["categories"], entry.name
                assert len(set(weights.classes)) == 1000 and weights.classes[:2] == ("tench", "goldfish")


def test_a_name_that_two_outputs_have_is_told_apart() -> None:
    assert class_names(["crane", "N/A", "crane", "dog"]) == ("crane (0)", None, "crane (2)", "dog")


@pytest.mark.parametrize("name", list(ENTRIES))
def test_the_default_weights_are_those_of_torchvision(name: str) -> None:
    assert find_weights(name, None) is get_model_weights(name).DEFAULT


def test_a_model_of_another_task_is_refused_with_what_it_is_for() -> None:
    with pytest.raises(
        UsageError, match=r"--model ResNet18: is for classification; expected one for detection"
    ):
        find_model("ResNet18", "detection")


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean resnet50"):
        find_model("resnet5", "classification")


def test_unknown_weights_are_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="one of IMAGENET1K_V1, IMAGENET1K_V2"):
        find_weights("resnet50", "V3")


def test_neither_the_package_nor_the_commands_import_torch_before_a_model_is_asked_for() -> None:
    code = (
        "import sys, labelkit.cli.prelabel, labelkit.cli.models, labelkit.prelabelling\n"
        "assert not {'torch', 'torchvision', 'numpy.testing'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "prelabel" in labelkit.__all__
