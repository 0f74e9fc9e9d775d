"""``labelkit validate --fix`` and ``--diff``: mend what was found, or show what mending would change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from labelkit.cli.reports import Named, write_text
from labelkit.mending import mend, plan
from labelkit.outputs import diff
from labelkit.outputs.words import visible
from labelkit.validation import Validation


def mended(validated: Callable[[], Validation], *, unsafe: bool) -> Validation:
    """Mend, and list on stderr each thing that was mended. Returns: what is found after that."""
    done, fixes = mend(validated, unsafe=unsafe)
    for finding, summary, is_safe in fixes:
        how = "" if is_safe else " (unsafe)"
        click.echo(visible(f"mended {finding.code} {finding.place}: {summary}{how}"), err=True)
    click.echo(f"labelkit: {len(fixes)} mended", err=True)
    return done


def previewed(done: Validation, report: Path | None, named: Named, *, unsafe: bool) -> int:
    """Show what would be mended. Returns: 1 if that is anything, else 0."""
    would = plan(done, unsafe=unsafe)
    write_text(lambda stream: diff.write(would, done.source, stream), report, named)
    click.echo(f"labelkit: {len(would.fixes)} would be mended; nothing was changed", err=True)
    if would.waiting:
        click.echo(f"labelkit: {would.waiting} more wait for these, and are mended after them", err=True)
    return 1 if would.fixes else 0
