"""What a command is told: by the command line, else by the configuration, else by its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from labelkit.config import Config, find_config, read_config
from labelkit.errors import UsageError
from labelkit.options import rule_options, written_option


def find_settings(source: Path, file: Path | None, *, use_config: bool) -> tuple[Path | None, Config]:
    """The configuration that is named, or found, or none; files that do not count are told."""
    if file and not use_config:
        raise UsageError("--config", "together with --no-config", "one of the two")
    if file is None and use_config and source.exists():
        found = find_config(Path.cwd(), source)
        file = found.file
        for other in found.skipped:
            click.echo(
                f"labelkit: {short(other)} lies in the data set, and is not followed; "
                f"--config {short(other)} follows it, --no-config is silent",
                err=True,
            )
    return (short(file), read_config(short(file))) if file else (None, Config())


def settled(given: dict[str, Any], own: dict[str, dict[str, Any]], config: Config) -> dict[str, Any]:
    """Every option's value: as the command line says it, or else the configuration.

    given, own: what the command was given, the formats' own options apart. Rules that the command line
    selects are not ignored by the configuration; options of rules and formats are merged.
    """
    context = click.get_current_context()
    said = {name for name in given if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    if "select" in said:
        said.add("ignore")
    told = {
        name: getattr(config, name) if name in config.model_fields_set and name not in said else value
        for name, value in given.items()
    }
    told["rule_options"] = merged(config.rules, options_of_rules(told["rule_options"]))
    told["format_options"] = merged(config.formats, own)
    told["per_file_ignores"] = config.per_file_ignores
    return told


def merged(*options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Options by rule or by format; what comes later wins."""
    result: dict[str, dict[str, Any]] = {}
    for each in options:
        for name, values in each.items():
            result.setdefault(name, {}).update(values)
    return result


def options_of_rules(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What ``--option GEO114.limit=30`` says, by the rule's code."""
    words = [written_option(text) for text in texts]
    return merged(*(rule_options({name: {key: value}}, place="--option ") for name, key, value in words))


def short(file: Path) -> Path:
    """A path as a person in the working directory would say it."""
    return file.relative_to(Path.cwd()) if file.is_absolute() and file.is_relative_to(Path.cwd()) else file
