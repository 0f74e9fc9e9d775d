"""What a header means for its records: documents, classes of stuff, values in maps."""

from __future__ import annotations

from dataclasses import dataclass

from labelkit.formats.coco.categories import map_values
from labelkit.formats.coco.native import Document, documents_of
from labelkit.model import Header


@dataclass(frozen=True)
class Plan:
    """What a header means for its records."""

    documents: list[Document]
    stuff: frozenset[str]
    values: dict[str, int]
    results_only: bool


_last_plan: list[tuple[Header, Plan]] = []


def plan_of(header: Header) -> Plan:
    """The plan of a header; the last one is remembered."""
    for known, plan in _last_plan:
        if known is header:
            return plan
    documents = documents_of(header)
    plan = Plan(
        documents=documents,
        stuff=frozenset(category.name for category in header.categories if category.thing is False),
        values=map_values(header.categories),
        results_only=bool(documents) and all(document.role == "results" for document in documents),
    )
    _last_plan[:] = [(header, plan)]
    return plan
