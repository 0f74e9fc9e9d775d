"""Where annotations go: into the documents that a header remembers, or into new ones by role and split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelkit.errors import FormatError
from labelkit.formats.coco.categories import category_ids
from labelkit.formats.coco.native import Document, documents_of
from labelkit.model import Header

Spot = int | tuple[str, str | None]  # a document that there is by number, a new one by role and split


def home(documents: Sequence[Document], role: str, split: str | None) -> int | Document:
    """Where new annotations of a role and split go: the number of a document there is, or a new one.

    Where there are only results, new objects are results too. A new document's name is free, also where a
    document of another role has the usual one (FiftyOne's ``labels.json`` states boxes).
    """
    for number, document in enumerate(documents):
        if document.role == role and document.split == split:
            return number
    if role == "instances" and documents and all(document.role == "results" for document in documents):
        return 0
    stem = f"{role}_{split}" if split is not None else role
    taken = {document.name for document in documents}
    while (name := f"annotations/{stem}.json") in taken:
        stem = f"more_{stem}"  # no other role and split have this name; the document says its split inside
    return Document(name, role, split, ())


class Homes:
    """The documents of a header, and the ids that its categories have in each."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.documents = documents_of(header)
        self._ids: dict[int | None, dict[str, Any]] = {
            number: category_ids(header.categories, number) for number in (None, *range(len(self.documents)))
        }

    def spot(self, role: str, split: str | None) -> Spot:
        """Where new annotations of a role and a split go."""
        found = home(self.documents, role, split)
        return found if isinstance(found, int) else (role, split)

    def split_of(self, spot: Spot) -> str | None:
        """The split of a document."""
        return self.documents[spot].split if isinstance(spot, int) else spot[1]

    def is_results(self, spot: Spot) -> bool:
        """Whether a document is a list of results, which lists no images."""
        return isinstance(spot, int) and self.documents[spot].role == "results"

    def category_id(self, spot: Spot, name: str) -> Any:
        """The id of a category in a document. Raises FormatError where the header has no such category."""
        try:
            return self._ids[spot if isinstance(spot, int) else None][name]
        except KeyError:
            raise FormatError(f"category {name!r}", "is not among the data set's categories") from None

    def has_category_id(self, document: int, key: Any) -> bool:
        """Whether a category has that id in a document."""
        return key in self._ids[document].values()
