"""``labels.json``: the labels of a data set as CVAT's own editor takes them ("Raw"), when a task is created.

CVAT reads no labels from ``annotations.xml``, and drops every attribute that its own labels do not declare:
with them go uid, score and provenance. Skeletons are left out, for their drawings are not in the XML as CVAT
wants them. labelkit writes this file and never reads it. Source: docs.cvat.ai "Create annotation task", RAW.
"""

from __future__ import annotations

from typing import Any

import msgspec

from labelkit.formats._xml import Element
from labelkit.formats.cvat.document import declared, head_tree, labels_of
from labelkit.model import Header

LABELS = "labels.json"


def labels_json(head: bytes, header: Header) -> bytes:
    """The labels of a head that was written; those of the header where the head lists none."""
    _, root = head_tree(head)
    labels = labels_of(root)
    if labels is None:
        found = [{"name": each.name, "type": "any", "attributes": []} for each in header.categories]
    else:
        found = [_label(label) for label in declared(labels)]
    kept = [label for label in found if label["type"] != "skeleton"]
    return msgspec.json.format(msgspec.json.encode(kept)) + b"\n"


def _label(label: Element) -> dict[str, Any]:
    home = label.find("attributes")
    colour = {"color": label.word("color")} if label.word("color") else {}
    attributes = [_attribute(child) for child in home.children if child.tag == "attribute"] if home else []
    return {
        "name": label.value("name"),
        **colour,
        "type": label.word("type") or "any",
        "attributes": attributes,
    }


def _attribute(element: Element) -> dict[str, Any]:
    return {
        "name": element.value("name"),
        "input_type": element.word("input_type") or "text",
        "mutable": element.word("mutable").lower() == "true",
        "values": (element.value("values") or "").split("\n"),
        "default_value": element.value("default_value") or "",
    }
