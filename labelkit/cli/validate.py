"""``labelkit validate``: check a data set, print what was found."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from labelkit.baseline import Baseline, read_baseline, write_baseline
from labelkit.cli.mending import mended, previewed
from labelkit.cli.options import (
    PlaceType,
    Sectioned,
    cluster,
    comma,
    format_options,
    jobs,
    take_format_options,
)
from labelkit.cli.progress import progress
from labelkit.cli.reports import output, refuse_target, write_report
from labelkit.cli.settings import find_settings, settled, short
from labelkit.dataset import source_format
from labelkit.errors import UsageError
from labelkit.outputs.shots import PER_RULE
from labelkit.rules import SEVERITIES
from labelkit.storage import AtHand, Place, at_hand, is_url
from labelkit.validation import TASKS, Validation, validate

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
_SECTIONS = {
    "Rules": ["select", "ignore", "task", "group", "target", "rule_options"],
    "Data set": ["format", "images", "images_dir", "jobs", "engine", "ray_address"],
    "Findings": ["fail_on", "output_format", "report", "baseline", "write_baseline"],
    "Fixes": ["fix", "unsafe", "diff"],
    "Configuration": ["config", "use_config", "show_config"],
}


@click.command(
    name="validate", short_help="Find every defect of a data set.", cls=Sectioned, sections=_SECTIONS
)
@click.argument("source", metavar="SRC", type=PlaceType())
@click.option(
    "--select", multiple=True, metavar="RULES", callback=comma(None), help="Only these: GEO,MSK101."
)
@click.option("--ignore", multiple=True, metavar="RULES", callback=comma(None), help="Not these.")
@click.option(
    "--task", type=click.Choice(TASKS), metavar="TASK", help=f"What the labels are for: {', '.join(TASKS)}."
)
@click.option("--group", metavar="REGEX", help="The part of an image's path that splits must not share.")
@click.option("--target", metavar="FORMAT", help="What SRC will be converted to; it may forbid overlaps.")
@click.option(
    "--option", "rule_options", multiple=True, metavar="RULE.OPTION=VALUE",
    help="An option of a rule, as in GEO114.limit=30; `labelkit rules GEO114` names them.",
)  # fmt: skip
@click.option("--format", help="Format of SRC; detected if not said.")
@click.option("--images/--no-images", default=True, show_default=True, help="Open the image files.")
@click.option("--images-dir", type=PlaceType(exists=True), help="Where SRC has its images.")
@jobs
@cluster
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), default="error", show_default=True,
    help="Exit with 1 where something is as bad as that.",
)  # fmt: skip
@click.option(
    "--output-format", type=click.Choice(list(OUTPUTS)), metavar="FORMAT", default="text", show_default=True,
    help=f"One of {', '.join(OUTPUTS)}.",
)  # fmt: skip
@click.option(
    "-o", "--output", "report", metavar="FILE", type=click.Path(path_type=Path), help="Write there."
)
@click.option(
    "--baseline", metavar="FILE", type=click.Path(path_type=Path), help="Known findings, which are not told."
)
@click.option(
    "--write-baseline", "write_baseline", is_flag=True, help="Make what is found now what is known."
)
@click.option("--fix", is_flag=True, help="Mend what can be mended without changing what a label means.")
@click.option("--unsafe-fixes", "unsafe", is_flag=True, help="With --fix or --diff: all that can be mended.")
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path),
    help="Settings; if not said, the next labelkit.toml or pyproject.toml from here upwards.",
)  # fmt: skip
@click.option(
    "--no-config", "use_config", is_flag=True, flag_value=False, default=True, help="Follow no such file."
)
@click.option("--show-config", is_flag=True, help="Print what all settings are, as JSON, and stop.")
@format_options("open")
def command(source: Place, images_dir: Place | None, **given: Any) -> int:
    """Check SRC against the rules; `labelkit rules` lists them.

    What the command line does not say is as the configuration says. Exit code: 0 where nothing was found that
    is as bad as --fail-on, 1 where something was, 2 where the request is wrong.
    """
    if given["fix"] and is_url(source):
        raise UsageError("--fix", "on shared storage, where nothing is changed in place", "a local copy")
    with at_hand(source, images_dir=images_dir, photos=given["images"]) as here:
        return _validate(here, images_dir=here.images_dir, **given)


def _validate(here: AtHand, config: Path | None, use_config: bool, show_config: bool, **given: Any) -> int:
    """Validate what is at hand, and write the report."""
    source = here.source
    file, settings = find_settings(source, config, use_config=use_config)
    if settings.output_format not in (None, *OUTPUTS):
        expected = f"one of {', '.join(OUTPUTS)}"
        raise UsageError(f"{file}: output-format", repr(settings.output_format), expected)
    own = take_format_options(given)
    told = settled(given, own, settings)
    if show_config:
        click.echo(json.dumps({"config": file, **told}, indent=2, ensure_ascii=False, default=str))
        return 0
    fail_on, output_format, report = (told.pop(name) for name in ("fail_on", "output_format", "report"))
    known, writes = told.pop("baseline"), told.pop("write_baseline")
    fix, diff, unsafe = (told.pop(name) for name in ("fix", "diff", "unsafe"))
    _refuse_contradictions(fix=fix, diff=diff, unsafe=unsafe, writes=writes)
    refuse_target(report, output_format, source)
    before = _known_before(known, writes=writes)
    format = told["format"] = source_format(source, told["format"], option="--format").name
    _refuse_others(own, format, source)
    told["options"] = told.pop("format_options").get(format)
    told["outlines"] = PER_RULE if output_format == "html" else 0
    with progress("validating") as advance:
        told |= {"baseline": None if writes else before, "progress": advance}
        validated = partial(validate, source, fixes=fix or diff or output_format == "sarif", **told)
        done = mended(validated, unsafe=unsafe) if fix else validated()
    if diff:
        return previewed(done, report, here.named, unsafe=unsafe)
    if writes:
        _renew(known, before or Baseline(), done)
    write_report(done, output(*OUTPUTS[output_format]), report, here.named)
    return 1 if done.fails(fail_on) else 0


def _refuse_contradictions(*, fix: bool, diff: bool, unsafe: bool, writes: bool) -> None:
    if fix and diff:
        raise UsageError("--fix", "together with --diff, which changes nothing", "one of the two")
    if unsafe and not (fix or diff):
        raise UsageError("--unsafe-fixes", "without --fix or --diff", "one of these")
    if diff and writes:
        raise UsageError("--diff", "together with --write-baseline", "one of the two")


def _known_before(file: Path | None, *, writes: bool) -> Baseline | None:
    if file is None and writes:
        raise UsageError("--write-baseline", "without --baseline", "--baseline FILE, which is to be written")
    if file is None or (writes and not file.exists()):
        return None
    return read_baseline(file)


def _refuse_others(own: dict[str, dict[str, Any]], format: str, source: Path) -> None:
    for name in own:
        if name != format:
            raise UsageError(
                f"--{name}-…", f"does nothing, for {source} is {format}", "an option of its format"
            )


def _renew(file: Path, before: Baseline, done: Validation) -> None:
    """Make the findings of now the known ones, and say what that changed."""
    after = before.renewed(done.findings, done.conclusive)
    write_baseline(file, after)
    new = len(done.findings) - len(before.known(done.findings))
    forgotten = len(before) + new - len(after)
    what = "1 known finding" if len(after) == 1 else f"{len(after)} known findings"
    click.echo(f"labelkit: {short(file)}: {what}; {new} new, {forgotten} forgotten", err=True)
    done.hide("baseline", range(len(done.findings)))
