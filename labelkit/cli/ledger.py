"""The ledger of a conversion as lines of text."""

from __future__ import annotations

from labelkit.outputs.words import visible
from labelkit.pipeline import Report


def ledger_text(done: Report, whole: str = "--report FILE") -> str:
    """The ledger as lines: what was assumed, what is odd, then losses by what became of the values.

    whole: the option that gives all of it.
    """
    lines = [
        f"{done.source} ({done.source_format}) -> {done.destination} ({done.target_format}): "
        f"{done.records} records, {done.objects} objects, {done.images} images"
    ]
    for title, prefix in _SECTIONS:
        rows = [row for row in done.ledger.rows() if row[0].startswith(prefix)]
        if rows:
            lines.append(title)
        for code, name, count, examples in rows:
            fate = _FATE[examples[0].carried] if code[:4] in ("LOS1", "LOS2") else ""
            lines.append(f"  {code} {name:<22} {count:>7}{fate}")
            lines += [f"      {visible(text)}" for text in done.ledger.told(code, whole)]
    if done.ledger.uncarried:
        lines.append("Nothing will bring back what is [lost]: there is no carrier.")
    if done.errors:
        lines.append(f"{len(done.errors)} records were left out:")
        lines += [f"  {visible(str(error))}" for error in done.errors]
    return "\n".join(lines)


_FATE = {True: "  [carried]", False: "  [lost]", None: ""}
_SECTIONS = (
    ("Noted:", "NOTE"),
    ("Legal but odd, converted as it is:", "ODD"),
    ("Dropped:", "LOS1"),
    ("Changed:", "LOS2"),
    ("Derived, for the target's tools or as asked for:", "LOS3"),
)
