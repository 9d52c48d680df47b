"""Files of a hub's repositories: pinned to a commit, resumed, and checked by the digests that the hub gives."""

from dataclasses import dataclass
from pathlib import Path

from common.downloads.catalogue import Offered
from common.downloads.records import file_sha256, git_sha1
from common.weights import hub_is_off


@dataclass(frozen=True)
class Wanted:
    """A file of a repository."""

    name: str
    bytes: int
    sha256: str
    """Of a file in LFS; else empty."""
    blob: str
    """Git's digest of a file that is not in LFS; else empty."""

    def matches(self, path: Path) -> bool:
        """Whether a file here is this one, all of its bytes."""
        if not path.is_file() or path.stat().st_size != self.bytes:
            return False
        if self.sha256:
            return file_sha256(path) == self.sha256
        return not self.blob or git_sha1(path) == self.blob


def look(entry: Offered, revision: str) -> tuple[str, list[Wanted]]:
    """The commit that a revision means, and the files that are wanted of it.

    Raises:
        OSError: the hub cannot be asked, or has no such repository or revision.
        ValueError: no file of it is wanted, or offline use is asked for (HF_HUB_OFFLINE=1).
    """
    if hub_is_off():
        raise ValueError(f"HF_HUB_OFFLINE=1 keeps the hub out, and {entry.name} is at {entry.hub}")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api = HfApi()
        ask = api.dataset_info if entry.kind == "dataset" else api.model_info
        about = ask(entry.hub, revision=revision, files_metadata=True)
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise OSError(f"{entry.hub} at {revision}: {reason}") from None
    files = [
        Wanted(
            one.rfilename,
            one.size or 0,
            one.lfs.sha256 if one.lfs else "",
            "" if one.lfs else (one.blob_id or ""),
        )
        for one in about.siblings or []
        if entry.wants(one.rfilename)
    ]
    if not files:
        raise ValueError(f"{entry.hub} holds no file that matches {', '.join(entry.files)}")
    return str(about.sha), files


def fetch(entry: Offered, commit: str, wanted: Wanted, folder: Path) -> Path:
    """Bring one file into a folder under its own name; a download that was stopped goes on.

    Raises:
        OSError: it cannot be fetched, or it is not what the hub says it is.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    path = folder / wanted.name
    if wanted.matches(path):
        return path
    try:
        hf_hub_download(entry.hub, wanted.name, repo_type=entry.kind, revision=commit, local_dir=folder)
    except HfHubHTTPError as error:
        raise OSError(f"{entry.hub}/{wanted.name}: {str(error).splitlines()[0]}") from None
    if not wanted.matches(path):
        path.unlink(missing_ok=True)
        raise OSError(f"{entry.hub}/{wanted.name} is not the file that the hub describes; it was thrown away")
    return path
