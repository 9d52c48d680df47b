"""Bring one entry to its place, unless it lies there already."""

import shutil
from pathlib import Path

from common.downloads import http, hub
from common.downloads.catalogue import Offered
from common.downloads.records import Record, file_sha256, missing_files, read_record, write_record
from common.runs.progress.shown import CountedWork

MB = 1e6


def bring(entry: Offered, to: str, numbers: str = "", revision: str = "", verify: bool = False) -> Record:
    """Fetch what is missing of an entry; returns the record of what is there.

    Args:
        entry: what.
        to: where; a file where the entry is one.
        numbers: which of the entry's numbered files; all if empty.
        revision: in place of the entry's; what was downloaded before stays at its commit otherwise.
        verify: read what is there already, and fetch again what does not have its digest.

    Raises:
        OSError: it cannot be fetched, or written.
        ValueError: another source's files lie there, or what is asked for is not the entry's.
    """
    record = read_record(to, entry.is_file)
    if record and record.source != entry.source:
        raise ValueError(f"{to} holds files of {record.source}, not of {entry.source}; give another place with to=")
    folder = Path(to).parent if entry.is_file else Path(to)
    folder.mkdir(parents=True, exist_ok=True)
    pinned = record.commit if record and not revision else revision or entry.pinned
    if record and pinned == record.commit:
        for name in missing_files(folder, record, verify):
            del record.files[name]
            record.complete = False
    else:
        record = None
    bringing = _from_hub if entry.hub else _from_archive if entry.members else _from_addresses
    return bringing(entry, to, folder, record or Record(entry.source, pinned), numbers)


def _keep(entry: Offered, to: str, folder: Path, record: Record, names: list[str]) -> None:
    """Put files into the record; it is written after each, so that a stopped command knows what it has."""
    for name in names:
        path = folder / name
        record.files[name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_record(to, entry.is_file, record)


def _from_hub(entry: Offered, to: str, folder: Path, record: Record, _: str) -> Record:
    if record.complete:
        return record
    commit, files = hub.look(entry, record.commit)
    record.commit = commit
    if entry.is_file and len(files) != 1:
        raise ValueError(f"{entry.hub}: {len(files)} files match {', '.join(entry.files)}, and {to} is one")
    names = {one.name: Path(to).name if entry.is_file else one.name for one in files}
    there = sum(one.bytes for one in files if names[one.name] in record.files)
    wanted = [one for one in files if names[one.name] not in record.files]
    with CountedWork(entry.name, sum(one.bytes for one in files) / MB, "MB", start=there / MB) as work:
        for one in wanted:
            work.note = names[one.name]
            staged = folder / f".{Path(to).name}.part" if entry.is_file else folder
            path = hub.fetch(entry, commit, one, staged)
            if entry.is_file:
                path.replace(folder / names[one.name])
                shutil.rmtree(staged)
            _keep(entry, to, folder, record, [names[one.name]])
            there += one.bytes
            work.at(there / MB)
    return _finished(entry, to, record)


def _from_addresses(entry: Offered, to: str, folder: Path, record: Record, numbers: str) -> Record:
    for name, url in http.addresses(entry, numbers).items():
        if name not in record.files:
            _fetch(url, folder / name, name, entry.sha256.get(name, ""))
            _keep(entry, to, folder, record, [name])
    return record


def _fetch(url: str, path: Path, label: str, sha256: str) -> None:
    with CountedWork(label, unit="MB") as work:

        def tell(done: int, total: int) -> None:
            if work.total is None:  # the first bytes of this command; what lay there says nothing of the rate
                work.begin(done / MB, total / MB or None)
            work.at(done / MB)

        http.fetch(url, path, tell, sha256)


def _from_archive(entry: Offered, to: str, folder: Path, record: Record, _: str) -> Record:
    if record.complete:
        return record
    archive = folder / ".archive"
    _fetch(entry.url, archive, entry.name, entry.sha256.get("archive", ""))
    _keep(entry, to, folder, record, http.unpack(archive, folder, entry))
    archive.unlink()
    return _finished(entry, to, record)


def _finished(entry: Offered, to: str, record: Record) -> Record:
    record.complete = True
    write_record(to, entry.is_file, record)
    return record
