"""What every section is given: the stages, what follows from them, and the colour of each pool and run."""

from collections.abc import Sequence
from dataclasses import dataclass

from eval.report.drawing.colours import Colours
from eval.report.findings.verdicts import Findings
from eval.report.stages import Stage


@dataclass(frozen=True)
class View:
    """One page's material."""

    stages: Sequence[Stage]
    findings: Findings
    colours: Colours
    pairs: int = 8
    """Pairs of texts to show of each recycled pool."""
    pair_chars: int = 2500
    """Longest organic text among them, in characters."""

    def recycled(self) -> list[Stage]:
        """The pools whose documents carry their organic text; selected ones only where those before are not here."""
        found = [stage for stage in self.stages if stage.recycled]
        return [stage for stage in found if stage.kind != "selected"] or found

    def source_colour(self, stage: Stage, source: str) -> int:
        """The colour of a source of a selected pool: that of the pool of this name beside it."""
        beside = stage.name.rpartition("/")[0]
        return self.colours.of(f"{beside}/{source}" if beside else source)
