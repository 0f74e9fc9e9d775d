"""The ids of images and annotations as columns: which are there twice, and where the image of an id stands.

An id is nearly always a whole number. Those that are none, or are written otherwise (5.0 is 5), are kept
beside the column as they are.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import LabelkitError
from labelkit.formats.coco.native import is_key

Ordinals = NDArray[np.int64]
_INT64 = 2**63  # the first number too large for a column
_ROOM = 1 << 20  # bytes of a column that are kept in memory
SORTED = 1 << 22  # numbers that are sorted at a time


class Column:
    """Numbers of 64 bits that are added one after the other; many lie in a file without a name.

    So they cost page cache and no memory. Raises LabelkitError where there is no room for the file.
    """

    def __init__(self) -> None:
        self._pieces: list[Ordinals] = []
        self._size = 0
        self._file: IO[bytes] | None = None

    def extend(self, numbers: Ordinals) -> None:
        self._pieces.append(np.ascontiguousarray(numbers, dtype=np.int64))
        self._size += numbers.nbytes
        if self._size > _ROOM:
            self._spill()

    def _spill(self) -> None:
        try:
            self._file = self._file or TemporaryFile()  # noqa: SIM115  (it lives as long as the column)
            for piece in self._pieces:
                self._file.write(piece.data)
            self._file.flush()
        except OSError as error:
            raise LabelkitError(
                "the folder of temporary files",
                f"cannot be written ({error.strerror})",
                "room for 40 bytes an annotation",
                "name another with TMPDIR",
            ) from None
        self._pieces.clear()

    def array(self) -> Ordinals:
        """All numbers, in order. None can be added after."""
        if self._file is None:
            return np.concatenate([np.zeros(0, dtype=np.int64), *(piece.ravel() for piece in self._pieces)])
        self._spill()
        with self._file:
            return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.int64)


@dataclass(frozen=True)
class Keys:
    """The ids of a list's elements.

    numbers: (N,). odd: by ordinal those that are not written as a whole number of 64 bits, None where there
    is none; the number of one is its value where it is whole, else 0.
    """

    numbers: Ordinals
    odd: Mapping[int, Any]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, ordinal: int) -> Any:
        return self.odd[ordinal] if ordinal in self.odd else int(self.numbers[ordinal])


class KeyColumn:
    """Ids that are added one after the other."""

    def __init__(self) -> None:
        self._column = Column()
        self._odd: dict[int, Any] = {}
        self._count = 0

    def extend(self, keys: Sequence[Any]) -> None:
        self._column.extend(self._plain(keys) if set(map(type, keys)) == {int} else self._mixed(keys))
        self._count += len(keys)

    def keys(self) -> Keys:
        return Keys(self._column.array(), self._odd)

    def _plain(self, keys: Sequence[int]) -> Ordinals:
        try:
            return np.array(keys, dtype=np.int64)
        except OverflowError:
            return self._mixed(keys)

    def _mixed(self, keys: Sequence[Any]) -> Ordinals:
        numbers = np.zeros(len(keys), dtype=np.int64)
        for position, key in enumerate(keys):
            number = _whole(key)
            numbers[position] = number or 0
            if number is None or type(key) is not int:
                self._odd[self._count + position] = key if is_key(key) else None
        return numbers


class Spots:
    """Where the image of an id stands in its list. keys: of the images; no two are the same."""

    def __init__(self, keys: Keys) -> None:
        self.missing = len(keys)  # the spot of what is not there
        self._others = {key: ordinal for ordinal, key in keys.odd.items() if _whole(key) is None}
        self._others.pop(None, None)
        known = _whole_ordinals(keys)
        self._order = known[np.argsort(keys.numbers[known], kind="stable")]
        self._sorted = keys.numbers[self._order]

    def of(self, keys: Keys) -> Iterator[Ordinals]:
        """The spot of every id, piece by piece."""
        odd = sorted(keys.odd)
        for start in range(0, len(keys), SORTED):
            numbers = keys.numbers[start : start + SORTED]
            spots = self._of_numbers(numbers)
            first, last = np.searchsorted(odd, [start, start + len(numbers)]) if odd else (0, 0)
            for ordinal in odd[first:last]:
                key = keys.odd[ordinal]
                if _whole(key) is None:
                    spots[ordinal - start] = self._others.get(key, self.missing)
            yield spots

    def _of_numbers(self, numbers: Ordinals) -> Ordinals:
        if not len(self._sorted):
            return np.full(len(numbers), self.missing, dtype=np.int64)
        places = np.minimum(np.searchsorted(self._sorted, numbers), len(self._sorted) - 1)
        return np.where(self._sorted[places] == numbers, self._order[places], self.missing)


def repeated_ordinals(keys: Keys) -> frozenset[int]:
    """The ordinals of elements whose id an earlier one has."""
    again: set[int] = set()
    known = _whole_ordinals(keys)
    rounds = 1 + len(known) // SORTED  # sorted apart by their remainders, so that memory stays as it is
    for remainder in range(rounds):
        some = known if rounds == 1 else known[keys.numbers[known] % rounds == remainder]
        order = some[np.argsort(keys.numbers[some], kind="stable")]
        numbers = keys.numbers[order]
        again.update(order[1:][numbers[1:] == numbers[:-1]].tolist())
    seen: set[Any] = set()
    for ordinal, key in sorted(keys.odd.items()):
        if _whole(key) is not None or key is None:
            continue
        if key in seen:
            again.add(ordinal)
        seen.add(key)
    return frozenset(again)


def _whole_ordinals(keys: Keys) -> Ordinals:
    """The ordinals of ids that are whole numbers."""
    if not keys.odd:
        return np.arange(len(keys), dtype=np.int64)
    is_number = np.ones(len(keys), dtype=bool)
    is_number[[ordinal for ordinal, key in keys.odd.items() if _whole(key) is None]] = False
    return np.flatnonzero(is_number)


def _whole(key: Any) -> int | None:
    """An id as a whole number of 64 bits (5.0 is 5), if it is one."""
    if type(key) is int or (type(key) is float and key.is_integer()):
        return int(key) if -_INT64 <= key < _INT64 else None
    return None
