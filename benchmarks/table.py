"""The figures of a run as a Markdown table."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

_START, _END = "<!-- figures -->", "<!-- end of figures -->"


def markdown(results: dict[str, Any]) -> str:
    """A row a program: its median time, its ratio to labelkit's best, and its peak memory."""
    lines = [
        f"{results['machine']}; median of {results['runs']}.",
        "",
        "| job | images | program | seconds | × labelkit's best | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for job in results["jobs"]:
        own = [median(item["seconds"]) for item in job["programs"] if item["program"].startswith("labelkit")]
        lines += [_row(job, item, min(own)) for item in job["programs"]]
    return "\n".join(lines)


def _row(job: dict[str, Any], item: dict[str, Any], best: float) -> str:
    seconds = median(item["seconds"])
    head = f"| {job['title']} | {job['images']:,} | {item['program']} |"
    if item["failed"]:
        return f"{head} failed ({', '.join(map(str, item['failed']))}) | | {item['megabytes']:,} |"
    return f"{head} {seconds:.2f} | {seconds / best:.2f} | {item['megabytes']:,} |"


def put_into(readme: Path, results: dict[str, Any]) -> None:
    """Put the table between its markers. Raises ValueError where they are not there."""
    text = readme.read_text()
    start, end = text.index(_START) + len(_START), text.index(_END)
    readme.write_text(f"{text[:start]}\n\n{markdown(results)}\n\n{text[end:]}")
