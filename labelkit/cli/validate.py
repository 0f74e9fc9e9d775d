"""``labelkit validate``: check a data set, print what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from labelkit.cli.options import comma, format_options, take_format_options
from labelkit.cli.reports import output, refuse_target, write_report
from labelkit.dataset import source_format
from labelkit.errors import UsageError
from labelkit.outputs.shots import PER_RULE
from labelkit.rules import SEVERITIES, Severity
from labelkit.validation import TASKS, validate

# The module of labelkit.outputs and the function in it.
OUTPUTS = {
    "text": ("text", "write"),
    "full": ("text", "write_full"),
    "json": ("json", "write"),
    "jsonl": ("json", "write_lines"),
    "github": ("github", "write"),
    "sarif": ("sarif", "write"),
    "junit": ("junit", "write"),
    "html": ("html", "write"),
}


@click.command(name="validate", short_help="Find every defect of a data set.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.option("--format", "format_", help="Format of SRC; detected if not said.")
@click.option("--task", type=click.Choice(TASKS), help="What the labels are for.")
@click.option("--select", multiple=True, callback=comma(None), help="Only these rules: GEO,MSK101.")
@click.option("--ignore", multiple=True, callback=comma(None), help="Not these rules.")
@click.option("--group", help="Regular expression for the part of a path that splits must not share.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), default="error", show_default=True)
@click.option("--images/--no-images", default=True, show_default=True, help="Open the image files.")
@click.option("--images-dir", type=click.Path(path_type=Path, exists=True), help="Where SRC has its images.")
@click.option("--output-format", type=click.Choice(list(OUTPUTS)), default="text", show_default=True)
@click.option(
    "-o", "--output", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write there."
)
@format_options("open")
def command(
    source: Path, format_: str | None, fail_on: Severity, output_format: str, target: Path | None, **rest: Any
) -> int:
    """Check SRC against the rules; `labelkit rules` lists them.

    Options that start with a format's name are for reading that format.
    """
    options = take_format_options(rest)
    format = source_format(source, format_).name
    for name in options:
        if name != format:
            raise UsageError(
                f"--{name}-…", f"does nothing, for {source} is {format}", "an option of its format"
            )
    refuse_target(target, output_format, source)
    rest["outlines"] = PER_RULE if output_format == "html" else 0
    done = validate(source, format=format, options=options.get(format), **rest)
    write_report(done, output(*OUTPUTS[output_format]), target)
    return 1 if done.fails(fail_on) else 0
