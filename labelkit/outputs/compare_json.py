"""A comparison for programs: one JSON document.

``prelabels``, ``reviewed`` (paths), ``formats`` (of both), ``settings`` (what was asked for), and

* ``images``: ``reviewed``; ``not_reviewed`` (only before the review, or still pending after it where others
  are not) with ``not_reviewed_predictions``;
  ``only_reviewed`` (only after it) with ``only_reviewed_labels``; nothing of these two is in other counts;
* ``objects`` and ``labels`` (image labels), each with ``total``, ``bins`` and ``classes``; a class has
  ``name``, ``counts`` and ``bins``; a bin has ``from``, ``to`` and ``counts``; both are null where there is
  no score, one is where the score is below 0 or above 1;
* ``counts``: ``predicted`` = ``accepted`` + ``moved`` (objects: the same class elsewhere) + ``restated``
  (labels: the same class in another state) + ``relabelled`` (``relabelled_moved`` of them elsewhere too) +
  ``deleted``; ``right`` (accepted, or moved with the least IoU), ``precision`` (right / predicted),
  ``mean_iou`` (of what moved); ``gained`` (relabelled from other classes), ``added``, ``added_predicted``
  (of these, by another run); ``human`` (made by humans before) = ``unchanged`` + ``changed`` +
  ``human_deleted``;
* ``relabelled``: ``kind``, ``was``, ``now``, ``count``, most first;
* ``maps``: what became of semantic maps: ``accepted``, ``changed``, ``deleted``, ``added``,
  ``unchanged_human``, ``changed_human``, ``deleted_human``; and of those that were predicted and are still
  there: ``pixels``, ``pixels_changed``, ``pixels_labelled`` (they had no class), ``mean_iou``, ``classes``
  (``name``, ``before``, ``after``, ``both``, ``iou``), ``agreement`` (``was``, ``now``, ``pixels``; a class,
  "" for what is to be ignored, null for nothing);
* ``thresholds``: for each ``precision`` that was wanted all classes together (``class`` is null), then each
  class: ``score`` (null where none gives it), ``reached`` (the precision there, or else the best one),
  ``recall``, ``kept``, ``scored`` and ``has_own`` (whether --thresholds-out gives the class one of its own);
* ``findings``: the ledger; ``errors``: what could not be read or compared, and is in no count.

A number that nothing says is null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TextIO

from labelkit.comparing import Comparison
from labelkit.comparing.counts import Bin, Counts, Table
from labelkit.comparing.precision import Threshold


def write(comparison: Comparison, stream: TextIO) -> None:
    """One document."""
    json.dump(as_json(comparison), stream, indent=2, ensure_ascii=False)
    stream.write("\n")


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The document as JSON values."""
    return {
        "prelabels": comparison.prelabels,
        "reviewed": comparison.reviewed,
        "formats": list(comparison.formats),
        "settings": asdict(comparison.settings),
        "images": {
            "reviewed": comparison.images,
            "not_reviewed": comparison.not_reviewed.images,
            "not_reviewed_predictions": comparison.not_reviewed.weight,
            "only_reviewed": comparison.only_reviewed.images,
            "only_reviewed_labels": comparison.only_reviewed.weight,
        },
        "objects": _table(comparison.objects),
        "labels": _table(comparison.labels),
        "relabelled": [
            {"kind": kind, "was": was, "now": now, "count": count}
            for kind, was, now, count in comparison.relabelled
        ],
        "maps": _maps(comparison),
        "thresholds": [_threshold(comparison, each) for each in comparison.thresholds],
        "findings": comparison.ledger.as_json(),
        "errors": [str(error) for error in comparison.errors],
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "total": _counts(table.total),
        "bins": _bins(table.all_bins()),
        "classes": [
            {"name": name, "counts": _counts(counts), "bins": _bins(table.bins.get(name, []))}
            for name, counts in table.classes.items()
        ],
    }


def _bins(bins: Sequence[Bin]) -> list[dict[str, Any]]:
    return [{"from": each.low, "to": each.high, "counts": _counts(each.counts)} for each in bins]


def _counts(counts: Counts) -> dict[str, Any]:
    said = asdict(counts)
    del said["iou"]
    return {**said, "precision": counts.precision, "mean_iou": counts.mean_iou}


def _maps(comparison: Comparison) -> dict[str, Any]:
    agreement = comparison.agreement
    classes = [(name, agreement.of(name), agreement.iou(name)) for name in agreement.classes()]
    pairs = sorted(agreement.pixels.items(), key=lambda pair: [(said is None, said) for said in pair[0]])
    return {
        **asdict(comparison.maps),
        "pixels": agreement.total,
        "pixels_changed": agreement.changed,
        "pixels_labelled": agreement.labelled,
        "mean_iou": agreement.mean_iou,
        "classes": [
            {"name": name, "before": before, "after": after, "both": both, "iou": iou}
            for name, (before, after, both), iou in classes
        ],
        "agreement": [{"was": was, "now": now, "pixels": count} for (was, now), count in pairs],
    }


def _threshold(comparison: Comparison, each: Threshold) -> dict[str, Any]:
    return {
        "precision": each.wanted,
        "class": each.category,
        "score": each.score,
        "reached": each.precision,
        "recall": each.recall,
        "kept": each.kept,
        "scored": each.predictions,
        "has_own": each.category is not None and comparison.has_own(each),
    }
