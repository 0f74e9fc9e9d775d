"""Many ways to break the files of a data set: for fuzzing. Nothing here knows what labelkit makes of them.

Choices are drawn from a ``random.Random``, behind which hypothesis can be.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from fuzz_images import change_image

# --- JSON --------------------------------------------------------------------------------------------------


def _token(text: str) -> str:
    """A JSON token that Python would not write, such as 1e999."""
    return f"@@{text}@@"


def _dumps(random: Random, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, None, 1]))
    text = re.sub(r'"@@(.*?)@@"', lambda found: found[1], text)
    return text.encode("utf-8", "surrogatepass")


_NUMBERS: list[Any] = [
    0, -1, 1, 2, 3, 7, 0.5, -0.5, 1.0, 1e-9, 255, 256, 65535, 70000, 2**24, 2**31, -(2**31) - 1, 2**53,
    2**63, 2**64, 10**40, -(10**20), 1e19, 1e300, -1e300, 5e-324, 1e155, 1e-160, 1.7976931348623157e308,
    12.000000000000002, *map(_token, ("1e999", "-1e999", "NaN", "-Infinity", "-0", "-0.0", "1" * 400,
    "1" * 5000, "01", "1E+2")),
]  # fmt: skip
_TEXTS: list[Any] = [
    "", " ", "a", "a.jpg", "A.JPG", "b.jpg", "cat", "Cat ", "dog", "1", "0", "-1", "true", "a" * 300,
    "x" * 70_000, "\ud800", "a\udc80", "\0", "\n", "\u202e", "é", "e\u0301", "𝔸", "../a.jpg", "/etc/passwd",
    "a/b.jpg", "a//b.jpg", "./a.jpg", "C:a.jpg", "a\\b.jpg", ".", "..", "~", "**", "[a", "/x",
    "https://x.org/a.jpg", "]]>", "<&>", "{}", "1e5", "NaN", "0x10", "PA:1", "\u2028", "#", "%s", "None",
    "a:3", "\ufeff", "a\tb",
]  # fmt: skip
_THINGS: list[Any] = [
    None, True, False, [], {}, [[]], [None], [1], ["a"], {"a": 1}, {"size": [40, 60], "counts": "x"},
    {"size": [40, 60], "counts": [2400]}, {"size": [10**9, 10**9], "counts": [10**18]}, [[1, 1, 5, 5]], [[1,
    1, 5, 5, 3]], [[0, 0, 60, 0, 60, 40, 0, 40]], [[1, 1, 9, 9, 9, 1, 1, 9]], [[1e300, 1, 2e300, 5, 1,
    1e300]], [[1, 1, 1, 1, 1, 1]], [-5, -5, 3, 3], [0, 0, 60, 40], [0.1, 0.2, 0.3, 0.4], [1, 2, 3], [1, 2,
    3, 4, 5], [59.5, 39.5, 1.5, 1.5], _token("[" * 600 + "]" * 600), _token("[" * 3000 + "]" * 3000),
    _token('{"a":' * 500 + "1" + "}" * 500),
]  # fmt: skip


def _any_value(random: Random) -> Any:
    return random.choice(random.choice((_NUMBERS, _TEXTS, _THINGS)))


def _holders(value: Any) -> list[Any]:
    """All lists and objects in a value that have something in them."""
    found, waiting = [], [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | dict) and each:
            found.append(each)
            waiting += each if isinstance(each, list) else each.values()
    return found


def change_json(random: Random, data: bytes) -> bytes:
    """One value of a JSON document becomes another, goes, comes twice or moves; bytes that are none stay."""
    try:
        return _changed(random, json.loads(data))
    except (ValueError, RecursionError):
        return data


def _changed(random: Random, document: Any) -> bytes:
    holders = _holders(document)
    if not holders:
        return _dumps(random, _any_value(random))
    holder, other = random.choice(holders), random.choice(holders)
    key, moved = random.choice(_keys(holder)), other[random.choice(_keys(other))]
    act = random.choice(["value", "value", "value", "near", "near", "drop", "twice", "elsewhere", "name"])
    if act == "drop":
        del holder[key]
    elif act == "twice" and isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), holder[key])
    elif act == "twice":
        said = json.dumps(key).encode() + b": "
        return _dumps(random, document).replace(said, said + b"1, " + said, 1)
    elif act == "name" and isinstance(holder, dict):
        holder[random.choice(_TEXTS)] = holder[key]
    elif act == "near":
        holder[key] = _near(random, holder[key])
    else:
        holder[key] = json.loads(json.dumps(moved)) if act == "elsewhere" else _any_value(random)
    return _dumps(random, document)


# What goes wrong with the values of well-known keys; None is what is dropped.
_TWICE, _BITTEN = [2, 3, 2, 3, 12, 3, 12, 13, 2, 13, 2, 3], [2, 3, 12, 13, 12, 3, 2, 13]
_SPECKS = {"size": [40, 60], "counts": [100, *[10, 30] * 9, 10, 930, 1, 999]}
_POLYGONS: list[Any] = [
    [_TWICE], [_BITTEN], [[2, 3, 12, 3]], [], [[-5.5, 3, 70, 3, 70, 13]], _SPECKS, [[1] * 8],
]  # fmt: skip
_USUAL: dict[str, list[Any]] = {
    "id": [0, 1, 2, "1", 1.0, -3, True, None],
    "image_id": [7, "1", 1.0, None],
    "category_id": [7, "1", 2.0, None],
    "bbox": [[-0.3, 3, 12, 10], [50, 3, 20, 10], [2, 3, 0, 9], [12, 13, -10, -10], [2, 3, 10, 10.4], None],
    "box": [[-0.3, 3, 12, 10], [50, 3, 20, 10], [2, 3, 0, 9], [12, 13, -10, -10], [70, 3, 5, 5]],
    "area": [0, -1, 99, 4e9, "100", None],
    "iscrowd": [True, False, 1, 2, "0", None],
    "segmentation": _POLYGONS,
    "mask": list(map(json.dumps, _POLYGONS)),
    "width": [60.0, "60", 0, 61, 40, None],
    "file_name": ["b.jpg", "A.jpg", "a.png", "x/a.jpg", "../a.jpg"],
    "name": ["dog", "Cat", "cat ", "", None],
    "label": ["cargroup", "Car", "license plate", "tree"],
    "polygon": [[[4, 12], [4, 12], [13, 20]], [[4, 12]], [[-5, 12], [60, 12], [60, 60]], []],
    "category": ["dog", "cow"],
}


def change_usual(random: Random, data: bytes) -> bytes:
    """A well-known key of a JSON document gets one of the values that it often has wrongly."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    spots = [
        (each, key) for each in _holders(document) if isinstance(each, dict) for key in each if key in _USUAL
    ]
    if not spots:
        return data
    holder, key = random.choice(spots)
    holder[key] = random.choice(_USUAL[key])
    if holder[key] is None:
        del holder[key]
    return _dumps(random, document)


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else [*range(len(holder))]


def _near(random: Random, value: Any) -> Any:
    """A value that is nearly the same, as a person or a tool would get it wrong."""
    if isinstance(value, bool) or value is None:
        return random.choice([0, 1, "0", "False", True, None])
    if isinstance(value, int):
        return random.choice([value + 1, value - 1, -value, float(value), str(value), [value], value * 1000])
    if isinstance(value, float):
        return random.choice([value // 1, value + 1e-6, -value, str(value), value * 1e200])
    if isinstance(value, str):
        return random.choice(
            [value.upper(), f"{value} ", value[:-1], value[1:], value * 2, [value], f"x/{value}"]
        )
    if isinstance(value, list):
        return random.choice([value[:-1], value[::-1], [*value, *value], [value], value[:1], [*value, None]])
    return random.choice([[value], list(value.values()), list(value), {**value, "extra": 1}])


# --- lines, XML, bytes -------------------------------------------------------------------------------------


def change_lines(random: Random, data: bytes) -> bytes:
    """A line of a file changes as JSON, goes, comes twice, moves, or is another."""
    lines = data.splitlines(keepends=True) or [b""]
    place, other = random.randrange(len(lines)), random.randrange(len(lines))
    act = random.choice(["json", "json", "json", "drop", "twice", "swap", "join", "words"])
    if act == "json":
        change = random.choice([change_json, change_usual])
        lines[place] = change(random, lines[place]).replace(b"\n", b" ") + b"\n"
    elif act == "drop":
        del lines[place]
    elif act == "twice":
        lines.insert(other, lines[place])
    elif act == "swap":
        lines[place], lines[other] = lines[other], lines[place]
    elif act == "join":
        lines[place] = lines[place].rstrip(b"\n")
    else:
        words = [*lines[place].split(), str(random.choice(_TEXTS[:20])).encode("utf-8", "surrogatepass")]
        random.shuffle(words)
        lines[place] = b" ".join(words[: random.randint(0, 4)]) + b"\n"
    return b"".join(lines)


_ELEMENT = re.compile(rb"<(\w+)>([^<]*)</\1>")
_XML = [
    "", "0", "-1", "1", "2", "40", "61", "1e3", "1.5", "NaN", "inf", "-inf", "1e999", "9" * 400, "9" * 5000,
    "10000000000", "true", "True", "yes", "Unspecified", "Left", " person", "Person", "dog", "x" * 70_000,
    "&lt;", "&amp;", "&#0;", "&#x110000;", "&who;", "<a/>", "<b>1</b>", "<![CDATA[3]]>", "<!-- 3 -->", "é",
    "\u202e", "\ud800", "a.jpg", "../a.jpg", "/etc/passwd", "١", "１", "1_0", "0x10", "+3", " 3 ", "3\n",
    "<a>" * 300 + "</a>" * 300,
]  # fmt: skip


def change_xml(random: Random, data: bytes) -> bytes:
    """An element gets another text, goes, comes twice or moves; or a beginning that is not for everyone."""
    found = list(_ELEMENT.finditer(data))
    act = random.choice(["text", "text", "text", "drop", "twice", "empty", "name", "object", "head"])
    if not found or act == "head":
        heads = [
            '<?xml version="1.0" encoding="latin1"?>',
            "<!DOCTYPE a []>",
            "\ufeff",
            '<?xml version="1.1"?>',
        ]
        return random.choice(heads).encode() + data
    one, other = random.choice(found), random.choice(found)
    (start, stop), text = one.span(), random.choice(_XML).encode("utf-8", "surrogatepass")
    if act == "object":
        start, stop = data.find(b"<object>"), data.find(b"</object>") + len(b"</object>")
        new = random.choice([b"", data[start:stop] * 2, b"<object/>", b"<object>" + one[0] + b"</object>"])
    else:
        new = {
            "text": b"<%b>%b</%b>" % (one[1], text, one[1]),
            "drop": b"",
            "twice": one[0] + b"<%b>%b</%b>" % (one[1], text, one[1]),
            "empty": b"<%b/>" % one[1],
            "name": other[0],
        }[act]
    return data[:start] + new + data[stop:]


def change_bytes(random: Random, data: bytes) -> bytes:
    """Bytes change, go, come or are doubled."""
    start, length = random.randint(0, len(data)), random.choice([1, 1, 2, 8, 100])
    act = random.choice(["flip", "cut", "insert", "double", "end", "nothing", "zeros"])
    if act == "flip" and start < len(data):
        return data[:start] + bytes([data[start] ^ 1 << random.randrange(8)]) + data[start + 1 :]
    if act == "insert":
        piece = random.choice(
            [b"\0", b"\xff", b'"', b"{", b"]", b",", b"<", b"\xef\xbb\xbf", b"\r\n", b"\xed\xa0\x80"]
        )
        return data[:start] + piece * random.choice([1, 1, 1000]) + data[start:]
    if act == "double":
        return data[: start + length] + data[start:]
    if act == "end":
        return data[:start]
    if act == "nothing":
        return b""
    return data[:start] + (bytes(length) if act == "zeros" else b"") + data[start + length :]


# --- files -------------------------------------------------------------------------------------------------

_NAMES = [
    "a.jpg", "A.JPG", "b.png", "é.xml", "e\u0301.xml", "x\udcff.json", "a b.json", "-.xml", ".json",
    "x" * 200, "\n.txt",
]  # fmt: skip


def change_tree(random: Random, root: Path) -> None:
    """A file or folder goes, moves, comes twice, or has something else in its place."""
    places = sorted(root.rglob("*"))
    place, other = random.choice(places), random.choice(places)
    act = random.choice(
        ["gone", "move", "copy", "folder", "link", "loop", "link out", "empty", "shut", "stray"]
    )
    with suppress(OSError, shutil.Error):  # not every change can be made everywhere
        if act == "stray":
            (place if place.is_dir() else place.parent).joinpath(random.choice(_NAMES)).write_bytes(b"{}")
        elif act == "copy" and not other.is_relative_to(place):
            copy = partial(shutil.copytree, symlinks=True) if place.is_dir() else shutil.copy
            copy(place, other.with_name(random.choice([other.name, *_NAMES])))
        elif act == "move":
            place.rename(random.choice([other.with_name(random.choice(_NAMES)), other / place.name, other]))
        elif act == "shut":
            place.chmod(0)
        else:
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
            _put_there(act, place, other)


def _put_there(act: str, place: Path, other: Path) -> None:
    if act == "folder":
        place.mkdir()
    elif act == "link":
        place.symlink_to(other)
    elif act == "loop":
        place.symlink_to(place.name)
    elif act == "link out":
        place.symlink_to("/etc")
    elif act == "empty":
        place.write_bytes(b"")


_BY_SUFFIX: dict[str, list[Callable[[Random, bytes], bytes]]] = {
    ".json": [change_json, change_json, change_usual, change_usual, change_bytes],
    ".jsonl": [change_lines, change_lines, change_lines, change_bytes],
    ".xml": [change_xml, change_xml, change_xml, change_bytes],
    ".txt": [change_lines, change_bytes],
    ".png": [change_image, change_image, change_bytes],
    ".jpg": [change_image, change_bytes],
}


def break_set(random: Random, root: Path) -> None:
    """One to four changes of a data set, the most of them in what a file says."""
    for _ in range(random.choice([1, 1, 2, 4])):
        files = [file for file in sorted(root.rglob("*")) if file.suffix in _BY_SUFFIX and file.is_file()]
        files = [file for file in files if not file.is_symlink()]
        if not files or random.random() < 0.15:
            if any(root.iterdir()):
                change_tree(random, root)
            continue
        labels = [file for file in files if file.suffix not in (".png", ".jpg")] or files
        file = random.choice(labels if random.random() < 0.7 else files)
        change = random.choice(_BY_SUFFIX[file.suffix])
        with suppress(OSError):
            file.write_bytes(change(random, file.read_bytes()))
