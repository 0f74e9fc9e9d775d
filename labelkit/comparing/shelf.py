"""Records of a data set on disk, to be taken out one by one by the path of their image.

Both data sets are read once, in whatever order each has; what waits for its other half waits in a file that
has no name any more when the comparison is done. So memory does not grow with the number of images.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from labelkit.errors import DestinationError
from labelkit.model import Record
from labelkit.restore import stem

_TABLE = """
CREATE TABLE shelf (
    path BLOB PRIMARY KEY, stem BLOB NOT NULL, weight INT NOT NULL, record BLOB NOT NULL,
    is_taken INT NOT NULL DEFAULT 0
);
CREATE INDEX stems ON shelf (stem) WHERE NOT is_taken;
"""
_CACHE = -16_384  # KiB of the file that are kept in memory


class Left(NamedTuple):
    """What nobody took: how many images, and the sum of the weights with which they were put there."""

    images: int
    weight: int


class Shelf:
    """Records by path. ``take`` takes one once; what nobody took is counted at the end."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute(f"PRAGMA cache_size = {_CACHE}")
        database.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLE}")

    def put(self, record: Record, weight: int) -> bool:
        """Lay a record on the shelf; False where one of that path is there already, which stays."""
        path = record.image.path
        row = (_key(path), _key(stem(path)), weight, pickle.dumps(record))
        done = self._database.execute(
            "INSERT OR IGNORE INTO shelf (path, stem, weight, record) VALUES (?, ?, ?, ?)", row
        )
        return done.rowcount == 1

    def take(self, path: str) -> Record | None:
        """The record of that path, if nobody took it before."""
        row = self._database.execute(
            "SELECT record FROM shelf WHERE path = ? AND NOT is_taken", (_key(path),)
        ).fetchone()
        if row is None:
            return None
        self._database.execute("UPDATE shelf SET is_taken = 1 WHERE path = ?", (_key(path),))
        record: Record = pickle.loads(row[0])  # noqa: S301 (our own file)
        return record

    def is_taken(self, path: str) -> bool:
        """Whether somebody took the record of that path."""
        query = "SELECT 1 FROM shelf WHERE path = ? AND is_taken"
        return self._database.execute(query, (_key(path),)).fetchone() is not None

    def alike(self, path: str) -> list[str]:
        """The paths on the shelf that are this one but for the suffix, the first three, in order."""
        query = "SELECT path FROM shelf WHERE stem = ? AND NOT is_taken ORDER BY path LIMIT 3"
        return [_text(row[0]) for row in self._database.execute(query, (_key(stem(path)),))]

    def paths(self) -> Iterator[str]:
        """The paths that are left, in the order in which they were put there."""
        last = 0
        query = "SELECT rowid, path FROM shelf WHERE rowid > ? AND NOT is_taken ORDER BY rowid LIMIT 1000"
        while rows := self._database.execute(query, (last,)).fetchall():
            last = rows[-1][0]
            yield from (_text(path) for _, path in rows)

    def left(self) -> Left:
        """What nobody took."""
        query = "SELECT count(*), coalesce(sum(weight), 0) FROM shelf WHERE NOT is_taken"
        return Left(*self._database.execute(query).fetchone())


@contextmanager
def shelves(count: int) -> Iterator[list[Shelf]]:
    """Some empty shelves, which are gone when the block ends.

    Raises DestinationError where the disk is full.
    """
    with TemporaryDirectory(prefix="labelkit-compare-") as folder, ExitStack() as stack:
        try:
            files = [Path(folder) / str(number) for number in range(count)]
            yield [Shelf(stack.enter_context(closing(sqlite3.connect(file)))) for file in files]
        except sqlite3.Error as error:
            raise DestinationError(
                folder, f"cannot be written ({error})", "", "TMPDIR names another place for temporary files"
            ) from None


def _key(path: str) -> bytes:
    """A path as the database holds it: names of files can hold what is no text."""
    return path.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
