"""JSON Schemas (2020-12) of the canonical form, generated from the models.

``schemas/`` holds them as files, also in the wheel; a test keeps those current.
"""

from __future__ import annotations

import json
from typing import Any

from labelkit.errors import UsageError
from labelkit.model import Category, Header, Model, Record

MODELS: dict[str, type[Model]] = {"record": Record, "header": Header, "category": Category}


def schema(name: str) -> dict[str, Any]:
    """The schema of a model by its name in lower case. Raises UsageError that lists the names."""
    if name not in MODELS:
        raise UsageError(f"schema {name!r}", "no such schema", f"one of {', '.join(MODELS)}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **MODELS[name].model_json_schema(mode="validation"),
    }


def schema_text(name: str) -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"
