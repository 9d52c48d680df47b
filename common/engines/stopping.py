"""Stop strings, looked for in a completion while its tokens come: each token costs the same, however long the text."""

from collections.abc import Callable, Collection, Sequence

BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer writes for bytes that are no character yet, or no more."""

SLACK = 4
"""Tokens beyond the longest stop string, in bytes: a tail that begins inside a character is wrong in its first ones."""


class StopFinder:
    """Finds the first stop string of a text from its tokens; gives what a look at the whole text would give.

    Every token that shows stands for at least a byte. So a stop string that a new token completes lies in the last as
    many tokens as it has bytes, and only these are decoded; the whole text only where they hold one, or cannot be read
    alone.

    Args:
        stops: the strings.
        decode: token ids to text, as the whole completion is decoded.
        silent: tokens that add nothing to the text.
    """

    def __init__(self, stops: Sequence[str], decode: Callable[[list[int]], str], silent: Collection[int]) -> None:
        self.stops, self.decode, self.silent = list(stops), decode, frozenset(silent)
        self.window = max(len(stop.encode("utf-8", "surrogatepass")) for stop in self.stops) + SLACK
        self.ids: list[int] = []
        self.shown: list[int] = []
        """Places of the tokens that show."""

    def add(self, token: int) -> str | None:
        """The text before the first stop string if this token completes one, else None."""
        if token not in self.silent:
            self.shown.append(len(self.ids))
        self.ids.append(token)
        tail = self._tail()
        if tail is not None and not any(stop in tail for stop in self.stops):
            return None
        text = self.decode(self.ids)
        places = [place for place in (text.find(stop) for stop in self.stops) if place >= 0]
        return text[: min(places)] if places else None

    def _tail(self) -> str | None:
        """The text of the last tokens, from the beginning of a character; None if there is no beginning nearby."""
        for more in range(4):  # a character has up to four bytes, and a token may stand for one
            if len(self.shown) <= self.window + more:
                return None
            tail = self.decode(self.ids[self.shown[-self.window - more] :])
            if not tail.startswith(BROKEN):
                return tail
        return None
