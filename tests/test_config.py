"""Configuration: where it is found, what it may say, that the command line wins, how mistakes are told."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import labelkit
from test_rules_coco import clean, written

from labelkit.config import find_config, read_config
from labelkit.errors import UsageError
from labelkit.formats import formats
from labelkit.options import expected, fits, own_hints, reading_hints
from labelkit.rules import rules
from labelkit.validation import validate

ROOT = Path(__file__).parents[1]
SEEDED = {"GEO102", "GEO118"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that has a clean data set in data/, and would stop a search."""
    (tmp_path / ".git").mkdir()
    data = tmp_path / "data"
    data.mkdir()
    written(data, clean())
    return tmp_path


def broken(project: Path) -> None:
    """In a.jpg a box that leaves it (GEO118), in b.jpg an empty one (GEO102)."""
    said = clean()
    said["annotations"][0] |= {"bbox": [50, 3, 20, 10], "segmentation": [], "area": 200}
    said["annotations"][2] |= {"bbox": [30, 3, 0, 10], "area": 0}
    written(project / "data", said)


def configured(project: Path, text: str | bytes, name: str = "labelkit.toml") -> Path:
    file = project / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def run(project: Path, *arguments: str | Path, **options: Any) -> tuple[int, list[str], str]:
    """The exit code, which of the seeded defects were found, and what was said on stderr."""
    command = ["validate", "data", "--no-images", "--output-format", "json", *arguments]
    done = labelkit(*command, cwd=options.pop("cwd", project), env={**os.environ, "PYTHONPATH": str(ROOT)})
    found = json.loads(done.stdout)["findings"] if done.stdout else []
    codes = sorted(each["code"] for each in found if each["code"] in SEEDED)
    return done.returncode, codes, done.stderr


# --- where it is found -------------------------------------------------------------------------------------


def test_the_nearest_file_upwards_counts(project: Path) -> None:
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    data = project / "data"
    assert find_config(inner, data) == (None, [])
    outer = configured(project, "[tool.labelkit]\n", "pyproject.toml")
    assert find_config(inner, data).file == outer
    configured(project / "a", "[tool.other]\n", "pyproject.toml")  # says nothing to labelkit
    assert find_config(inner, data).file == outer
    nearer = configured(project / "a", "[tool.labelkit]\n", "pyproject.toml")
    assert find_config(inner, data).file == nearer
    own = configured(project / "a", "")
    assert find_config(inner, data).file == own


def test_the_search_ends_where_the_repository_does(project: Path) -> None:
    configured(project, "")
    inner = project / "inner"
    inner.mkdir()
    assert find_config(inner, project / "data").file is not None
    (inner / ".git").write_text("gitdir: elsewhere")  # as in a worktree
    assert find_config(inner, project / "data").file is None


def test_a_data_set_does_not_configure_its_own_validation(project: Path) -> None:
    data = project / "data"
    hostile = configured(data, 'ignore = ["ALL"]')
    (data / "inner").mkdir()
    for source in (data, data / "instances_val.json"):
        assert find_config(data / "inner", source) == (None, [hostile])
    (project / "link").symlink_to(data)
    assert find_config(data, project / "link") == (None, [hostile])
    broken(project)
    command = ["validate", ".", "--select", "GEO102"]
    done = labelkit(*command, cwd=data, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout.count("GEO102")) == (1, 1)
    assert "labelkit.toml lies in the data set, and is not followed" in done.stderr
    configured(data, "[[[", "pyproject.toml")  # nor does it stop it
    hostile.unlink()
    assert find_config(data, data) == (None, [])


def test_the_file_that_is_named_counts_and_none_where_none_is_wanted(project: Path) -> None:
    broken(project)
    configured(project, 'select = ["GEO102"]')
    other = configured(project, 'select = ["GEO118"]', "other.toml")
    assert run(project) == (1, ["GEO102"], "")
    assert run(project, "--config", other)[1] == ["GEO118"]
    assert run(project, "--no-config")[1] == ["GEO102", "GEO118"]
    code, _, stderr = run(project, "--config", other, "--no-config")
    assert code == 2
    assert "--config: together with --no-config" in stderr


# --- what it says ------------------------------------------------------------------------------------------


def test_every_key_does_what_its_option_does(project: Path) -> None:
    broken(project)
    (project / "images").mkdir()
    file = configured(
        project,
        """
        select = ["GEO102", "GEO118", "LOC101"]
        ignore = ["box-partly-outside"]
        fail-on = "info"
        task = "localization"
        group = "(.)"
        target = "voc"
        jobs = 2
        format = "coco"
        images = false
        images-dir = "images"
        output-format = "json"
        baseline = "known.json"
        per-file-ignores = { "*.json" = ["GEO102"] }
        [rules.GEO114]
        limit = 3
        [formats.voc]
        base = "1"
        """,
    )
    said = read_config(file)
    assert said.model_dump() == {
        "select": ["GEO102", "GEO118", "LOC101"],
        "ignore": ["box-partly-outside"],
        "fail_on": "info",
        "task": "localization",
        "group": "(.)",
        "target": "voc",
        "jobs": 2,
        "format": "coco",
        "images": False,
        "images_dir": project / "images",
        "output_format": "json",
        "baseline": project / "known.json",
        "per_file_ignores": {"*.json": ["GEO102"]},
        "rules": {"GEO114": {"limit": 3}},
        "formats": {"voc": {"base": "1"}},
    }
    (project / "known.json").write_text('{"labelkit_baseline": 1, "findings": []}')
    done = labelkit("validate", "data", cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)})
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert sorted(each["code"] for each in result["findings"]) == ["LOC101"]
    assert result["hidden"] == {"per-file-ignores": 1}


def test_the_command_line_wins(project: Path) -> None:
    broken(project)
    configured(
        project, 'select = ["GEO118"]\nignore = ["GEO102"]\nfail-on = "warning"\noutput-format = "text"'
    )
    assert run(project)[:2] == (1, ["GEO118"])
    assert run(project, "--fail-on", "error")[:2] == (0, ["GEO118"])
    assert run(project, "--select", "GEO102")[:2] == (1, ["GEO102"])  # asked for, whatever the file ignores
    assert run(project, "--ignore", "GEO104")[:2] == (1, ["GEO118"])


def test_what_applies_can_be_shown(project: Path) -> None:
    configured(project, 'ignore = ["GEO118"]\n[rules.GEO114]\nlimit = 3\n[formats.voc]\nbase = "1"')
    command = ["validate", "data", "--show-config", "--fail-on", "info", "--option", "GEO114.smallest=4"]
    done = labelkit(*command, cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)})
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert told["config"] == "labelkit.toml"
    assert (told["ignore"], told["fail_on"], told["images"]) == (["GEO118"], "info", True)
    assert told["rule_options"] == {"GEO114": {"limit": 3, "smallest": 4}}
    assert told["format_options"] == {"voc": {"base": "1"}}


def test_options_of_rules_come_from_the_file_and_from_the_command_line(project: Path) -> None:
    broken(project)
    assert run(project, "--select", "GEO118")[1] == ["GEO118"]
    assert run(project, "--select", "GEO118", "--option", "GEO118.tolerance=10")[1] == []
    configured(project, "[rules.box-partly-outside]\ntolerance = 10")
    assert run(project, "--select", "GEO118")[1] == []
    assert run(project, "--select", "GEO118", "--option", "box-partly-outside.tolerance=9.9")[1] == ["GEO118"]


def test_options_of_formats_count_for_their_format_only(project: Path) -> None:
    broken(project)
    configured(project, '[formats.coco]\nroles = "captions"\n[formats.voc]\nbase = "0"')
    assert "GEO102" not in run(project)[1]
    assert "GEO102" in run(project, "--coco-roles", "instances")[1]


@pytest.mark.parametrize(
    ("pattern", "hidden"),
    [
        ("instances_val.json", ["GEO102", "GEO118"]),
        ("*.json", ["GEO102", "GEO118"]),
        ("**/*_val.json", ["GEO102", "GEO118"]),
        ("./**", ["GEO102", "GEO118"]),
        ("data/", ["GEO102", "GEO118"]),  # from the folder of the configuration
        ("data/*.json", ["GEO102", "GEO118"]),
        ("*/instances_val.json", ["GEO102", "GEO118"]),
        ("*/*/instances_val.json", []),
        ("b.jpg", ["GEO102"]),  # the image
        ("[ab].jpg", ["GEO102", "GEO118"]),
        ("[!a].jpg", ["GEO102"]),
        ("?.jpg", ["GEO102", "GEO118"]),
        ("*.jp", []),
        ("other/*.json", []),
        ("data", []),
        ("[", []),
    ],
)
def test_patterns_say_for_which_files_and_images_a_rule_is_ignored(
    project: Path, pattern: str, hidden: list[str]
) -> None:
    broken(project)
    file = configured(project, f"per-file-ignores = {{ '{pattern}' = ['GEO102', 'GEO118'] }}")
    patterns = read_config(file).per_file_ignores
    done = validate(project / "data", images=False, per_file_ignores=patterns)
    found = [finding.code for finding in done.findings if finding.code in ("GEO102", "GEO118")]
    assert sorted([*found, *hidden]) == ["GEO102", "GEO118"]
    assert done.hidden == ({"per-file-ignores": len(hidden)} if hidden else {})


def test_stars_stop_at_folders_and_two_stars_do_not(tmp_path: Path) -> None:
    said = clean()
    said["images"][1]["file_name"] = "a/b/c.jpg"
    said["annotations"][2]["bbox"] = [30, 3, 0, 10]
    path = written(tmp_path, said)
    for pattern, count in {
        "a/*": 0, "a/**": 1, "a/": 1, "a/**/c.jpg": 1, "**/c.jpg": 1, "a/b/**/c.jpg": 1, "*/c.jpg": 0,
        "c.jpg": 1, "/**/c.jpg": 1, f"{tmp_path}/a/b/c.jpg": 1, "[!x]/b/c.jpg": 1, "a[!x]b/c.jpg": 0,
    }.items():  # fmt: skip
        done = validate(path, select=["GEO102"], per_file_ignores={pattern: ["empty-box"]})
        assert done.hidden.get("per-file-ignores", 0) == count, pattern
        assert len(done.findings) == 1 - count


# --- mistakes ----------------------------------------------------------------------------------------------

MISTAKES = [
    (
        'selct = ["GEO"]',
        "labelkit.toml: selct: unknown key; expected one of select, ignore, ",
        "mean select?",
    ),
    ("select = 3", 'labelkit.toml: select: 3; expected a list, as in ["GEO", "MSK101"]', ""),
    ('select = "GEO"', 'labelkit.toml: select: "GEO"; expected a list', ""),
    ("select = [true]", "labelkit.toml: select.0: true; expected a text in quotes", ""),
    ('select = ["GE0102"]', "labelkit.toml: select: no rule 'GE0102'", "did you mean GEO102?"),
    ('ignore = ["empty-boxes"]', "labelkit.toml: ignore: no rule", "did you mean empty-box?"),
    ('select = ["GEO102"]\nignore = ["GEO"]', "labelkit.toml: select and ignore: no rule is left", ""),
    ('fail-on = "warnings"', 'fail-on: "warnings"; expected one of error, warning, info', "mean warning?"),
    ('fail_on = "info"', "labelkit.toml: fail_on: unknown key", "did you mean fail-on?"),
    ('task = "detect"', 'labelkit.toml: task: "detect"; expected one of classification', "mean detection?"),
    ('group = "("', 'labelkit.toml: group: "(" is no regular expression (', ""),
    ('format = "cocoa"', 'labelkit.toml: format: "cocoa"; expected one of cityscapes, coco', "mean coco?"),
    ('images = "no"', 'labelkit.toml: images: "no"; expected true or false', ""),
    ('images-dir = "nowhere"', "nowhere is no folder; expected the folder of the images", ""),
    ("images-dir = 1", "labelkit.toml: images-dir: 1; expected a path in quotes", ""),
    ("baseline = true", "labelkit.toml: baseline: true; expected a path in quotes", ""),
    ('per-file-ignores = ["a"]', 'labelkit.toml: per-file-ignores: ["a"]; expected a table', ""),
    ("per-file-ignores = { a = 'GEO' }", 'per-file-ignores.a: "GEO"; expected a list', ""),
    ("per-file-ignores = { a = ['GO'] }", "labelkit.toml: per-file-ignores 'a': no rule 'GO'", "mean GEO?"),
    ("per-file-ignores = { '[z-a]' = [] }", "per-file-ignores '[z-a]': no pattern (", ""),
    ("rules = 1", "labelkit.toml: rules: 1; expected a table", ""),
    ("[rules]\nGEO114 = 30", "labelkit.toml: rules.GEO114: 30; expected a table", ""),
    ("[rules.GEO]\nlimit = 1", "rules; expected the code or the name of one", ""),
    ("[rules.GEO1114]\nlimit = 1", "rules.GEO1114: no rule 'GEO1114'", "did you mean GEO114?"),
    ("[rules.GEO114]\nlimits = 1", "expected one of limit, smallest", "did you mean limit?"),
    ("[rules.GEO102]\nlimit = 1", "not an option of GEO102 empty-box; expected none, for it has none", ""),
    ("[rules.GEO114]\nlimit = '3'", 'rules.GEO114.limit: "3"; expected a number', ""),
    ("[rules.GEO114]\nlimit = true", "rules.GEO114.limit: true; expected a number", ""),
    ("[rules.GEO114]\nlimit = nan", "rules.GEO114.limit: NaN; expected a number", ""),
    ("[rules.LOC101]\ntask = 'detection'", "not an option of one rule; say task once for all rules", ""),
    ("[formats.yolo]\na = 1", "labelkit.toml: formats.yolo: no such format; expected one of ", ""),
    ("[formats.voc]\nbas = '1'", "formats.voc.bas: not an option for reading voc", "did you mean base?"),
    ("[formats.voc]\nbase = 1", 'formats.voc.base: 1; expected one of "auto", "1", "0"', ""),
    ("[tool.labelkit]\nselect = []", "labelkit.toml: tool: unknown key", "without [tool.labelkit]"),
    (
        'fail-on = 1\ntask = 2\nselect = ["GEO"]',
        "fail-on: 1; expected a text in quotes",
        "and 1 more to mend",
    ),
    ("select = [", "labelkit.toml: is no TOML (", "mend it, or go without it by --no-config"),
    ("select = []\nselect = []", "labelkit.toml: is no TOML (", ""),
    (b"# \xff", "labelkit.toml: byte 2 is no UTF-8; expected UTF-8", ""),
    ("a = " + "[" * 100_000, "labelkit.toml: is no TOML (", ""),
    ("# " + "x" * 10_000_001, "labelkit.toml: longer than 10000000 bytes", ""),
]


@pytest.mark.parametrize(("text", "says", "advice"), MISTAKES, ids=[str(each[0])[:40] for each in MISTAKES])
def test_a_mistake_is_told_with_its_place_and_what_was_expected(
    tmp_path: Path, text: str | bytes, says: str, advice: str
) -> None:
    with pytest.raises(UsageError) as told:
        read_config(configured(tmp_path, text))
    message = str(told.value)
    assert says in message
    assert advice in message
    assert str(tmp_path / "labelkit.toml") in message
    assert "\n" not in message


def test_in_a_pyproject_the_table_is_named(tmp_path: Path) -> None:
    file = configured(tmp_path, "[tool.labelkit]\nselect = 1\n[tool.other]\nx = 1", "pyproject.toml")
    with pytest.raises(UsageError, match=r"pyproject\.toml: tool\.labelkit\.select: 1; expected a list"):
        read_config(file)
    for text in ("", "tool = 1", "[tool.ruff]"):
        with pytest.raises(UsageError, match=r"has no \[tool\.labelkit\]; expected that table"):
            read_config(configured(tmp_path, text, "pyproject.toml"))
    with pytest.raises(UsageError, match=r"tool\.labelkit: 3; expected a table"):
        read_config(configured(tmp_path, "tool = { labelkit = 3 }", "pyproject.toml"))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    for file, says in {
        tmp_path: "cannot be read (Is a directory)",
        tmp_path / "nothing.toml": "cannot be read (No such file or directory)",
        loop: "cannot be read (Too many levels of symbolic links)",
        Path("/dev/zero"): "longer than",
    }.items():
        with pytest.raises(UsageError) as told:
            read_config(file)
        assert says in str(told.value)
    (tmp_path / "labelkit.toml").symlink_to(loop)
    found = find_config(tmp_path, tmp_path / "data" / "set.json").file
    assert found == tmp_path / "labelkit.toml"  # not silently passed over


@pytest.mark.parametrize(
    "text",
    [b"", b"# nothing\n", b"\xef\xbb\xbfselect = ['GEO']\n", b"select = [\r\n  'GEO'\r\n]\r\n"],
    ids=["empty", "comment", "byte order mark", "Windows"],
)
def test_files_as_editors_leave_them_are_read(tmp_path: Path, text: bytes) -> None:
    said = read_config(configured(tmp_path, text))
    assert said.select == (["GEO"] if b"GEO" in text else [])


def test_mistakes_on_the_command_line_are_told(project: Path) -> None:
    for arguments, says in {
        ("--select", "GO"): "--select: no rule 'GO'",
        ("--select", "geo102"): "did you mean GEO102?",
        ("--select", "GEO102", "--ignore", "GEO"): "--select and --ignore: no rule is left of 1 selected",
        ("--ignore", "ALL"): "no rule is left",
        ("--option", "GEO114"): "--option: 'GEO114'; expected RULE.OPTION=VALUE, as in GEO114.limit=30",
        ("--option", "GEO114.limit=much"): '--option GEO114.limit: "much"; expected a number',
        ("--option", "GEO114.limt=1"): "did you mean limit?",
        ("--config", "nothing.toml"): "nothing.toml: cannot be read (No such file or directory)",
        ("--format", "koko"): "coco",
    }.items():
        code, _, stderr = run(project, *arguments)
        assert code == 2
        assert says in stderr
        assert stderr.count("\n") == 1


def test_a_data_set_that_is_missing_is_all_that_is_told(project: Path) -> None:
    configured(project, "select = 3")
    done = labelkit("validate", "nothing", cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert done.stderr == "labelkit: error: nothing: does not exist; expected a data set\n"


def test_an_output_format_of_the_file_is_checked(project: Path) -> None:
    configured(project, 'output-format = "xml"')
    done = labelkit("validate", "data", cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert "labelkit.toml: output-format: 'xml'; expected one of text, full, json" in done.stderr


# --- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(rules()))
def test_every_option_of_a_rule_can_be_set_and_is_on_its_page(code: str) -> None:
    item = rules()[code]
    for name, hint in own_hints(item).items():
        default = item.options[name]
        assert default is None or fits(list(default) if isinstance(default, tuple) else default, hint)
        assert "<" not in expected(hint), "say the type in words: options._WORDS"
        assert f"{name}," in item.documentation
        assert not fits(object(), hint)


def test_options_for_reading_are_those_of_the_command_line() -> None:
    helped = labelkit("validate", "--help").stdout
    for name in formats():
        for option in reading_hints(name):
            assert f"--{name}-{option.replace('_', '-')}" in helped


def test_types_are_not_converted() -> None:
    for hint, good, bad in [
        (float, [1, 1.5, -2], ["1", True, None, float("nan"), [1]]),
        (int, [1], [1.0, True, "1"]),
        (bool, [True], [1, "true"]),
        (str, ["a"], [1]),
        (tuple[str, ...], [["a"], []], ["a", [1]]),
        (float | None, [1], ["1", None]),
    ]:
        assert all(fits(value, hint) for value in good)
        assert not any(fits(value, hint) for value in bad)


def test_toml_is_read_by_the_standard_library_where_it_can() -> None:
    module = sys.modules["labelkit.config"].tomllib  # type: ignore[attr-defined]
    assert module.__name__ == ("tomllib" if sys.version_info >= (3, 11) else "tomli")
