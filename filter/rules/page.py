"""One page on its way through heuristic rules."""

from typing import Any

from common.pools.exactly_once import with_own


class Page:
    """A document whose text rules may edit; its words are split once per edit.

    Args:
        document: a copy that rules may add fields to.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._text: str = document["text"]
        self._words: list[str] | None = None

    @property
    def text(self) -> str:
        """The text as it is now."""
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        """Replace the text; the words are split anew when they are next asked for."""
        if value != self._text:
            self._text, self._words = value, None

    def note(self, name: str, value: Any) -> None:
        """Add a field to the document; what it held under that name is kept (`with_own`)."""
        self.document = with_own(self.document, {name: value})

    @property
    def words(self) -> list[str]:
        """What white space separates."""
        if self._words is None:
            self._words = self._text.split()
        return self._words
