"""Audit a verifier: which right answers it misses, which wrong ones it accepts, where it crashes, hangs or is unsafe.

Usage:
    python -m eval.verifiers.audit TARGET[,TARGET...] [verifiers=math,table] [out=FILE.jsonl] [busy=4]
    python -m eval.verifiers.audit math-verify,trl,lm-eval-minerva,ours:math
    python -m eval.verifiers.audit my_rewards:compute_score verifiers=math out=findings.jsonl
    python -m eval.verifiers.audit http://127.0.0.1:9000/score verifiers=choice

TARGET is `ours` or `ours:NAME` (`guru:NAME` for the published scores), `math-verify`, `trl`, `lm-eval-hendrycks`,
`lm-eval-minerva`, MODULE:FUNCTION, or an address that is sent JSON. A function is a verl reward if it takes
`solution_str` and `ground_truth`, a TRL reward if it takes `completions`, else it is called with an answer and a
reference. It runs in a process of its own: neither a crash nor a hang ends the audit. A score of 1 or more, or true,
counts as accepted. `truth` names further files: vectors, or rows of `gold`, `right` and `wrong`.
"""

from typing import Annotated

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig


class AuditConfig(RunConfig):
    """What to audit, with what."""

    targets: str
    """Targets, parted by commas."""

    verifiers: str = ""
    """Whose vectors to use, parted by commas; empty: the target's own if it is one of ours, else `math`."""

    truth: str = ""
    """Further files of vectors, or of rows with `gold`, `right` and `wrong`, parted by commas."""

    out: Annotated[str, HOW, Out()] = ""
    """JSONL file for every case; only what is wrong is printed if empty."""

    limit_s: float = Field(5.0, gt=0)
    """Processor seconds of one verdict; more is slow."""

    busy: Annotated[int, HOW] = Field(0, ge=0)
    """Processes that keep the processors busy while the slowest verdicts are asked for again; 0: none."""


def wanted(target: str, verifiers: str) -> set[str]:
    """Whose vectors a target is given; empty for all."""
    if verifiers:
        return {name.strip() for name in verifiers.split(",")}
    kind, _, name = target.partition(":")
    if kind in ("ours", "guru"):
        return {name} if name else set()
    return {"math"}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, audit each target, print what is wrong and the table."""
    config = parse(AuditConfig, __doc__, argv, positional=("targets",))
    with usage_errors():
        from common.pools.documents import write_documents
        from eval.verifiers.audit.course import Audit, listing, table
        from eval.verifiers.audit.vectors import read_truth, read_vectors

        files = [name for name in config.truth.split(",") if name]
        vectors = [*read_vectors(), *(vector for name in files for vector in read_truth(name))]
        found = {}
        for target in config.targets.split(","):
            names = wanted(target, config.verifiers)
            own = [vector for vector in vectors if not names or vector.verifier in names]
            if not own:
                raise ValueError(f"there are no vectors of {', '.join(sorted(names))}")
            with Audit(target, config.limit_s) as audit:
                audit.start()
                found[target] = list(audit.run(own, config.busy))
            print(f"== {target}\n{listing(found[target])}\n")  # noqa: T201 - the command's output
    if config.out:
        rows = ({"target": target, **case.record()} for target, cases in found.items() for case in cases)
        write_documents(config.out, rows)
    print(table(found))  # noqa: T201


if __name__ == "__main__":
    main()
