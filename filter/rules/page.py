"""One page on its way through heuristic rules."""

from typing import Any


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

    @property
    def words(self) -> list[str]:
        """What white space separates."""
        if self._words is None:
            self._words = self._text.split()
        return self._words
