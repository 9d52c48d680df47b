"""Addresses of the reader's pages (`bash scripts/view.sh`), by which a report can point at documents and rollouts."""

from urllib.parse import quote, urlencode

PORT = 8601
"""Where the reader is, unless it is told otherwise or something else is there."""

READER = f"http://127.0.0.1:{PORT}"


def pool_path(pool: str) -> str:
    """The list of a pool's documents; a pool is known by its folder's name."""
    return f"/pool/{quote(pool, safe='')}"


def document_path(pool: str, identity: str, **more: str) -> str:
    """One document of a pool.

    >>> document_path("recycled", "page#1")
    '/pool/recycled/document?id=page%231'
    """
    return f"{pool_path(pool)}/document?{urlencode({'id': identity, **more}, errors='replace')}"


def run_path(run: str) -> str:
    """A run's steps; a run is known by its folder's name."""
    return f"/run/{quote(run, safe='')}"


def step_path(run: str, step: int, split: str) -> str:
    """The samples of one step; the split is `train` or `eval`.

    >>> step_path("rl", 20, "eval")
    '/run/rl/step?step=20&split=eval'
    """
    return f"{run_path(run)}/step?{urlencode({'step': step, 'split': split})}"


def group_path(run: str, step: int, split: str, identity: str) -> str:
    """A prompt's samples at one step."""
    told = {"step": step, "split": split, "id": identity}
    return f"{run_path(run)}/group?{urlencode(told, errors='replace')}"
