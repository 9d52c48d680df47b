"""A store in memory with a clock of its own: nothing is renamed, and listings and reads may come late."""

from common.pools.storage import StoredFile


class SetClock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.time = 1_000_000.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


class MemoryStore:
    """Files by name, each with its versions; a version is seen `late_s` after it was written, and `create` sees all.

    `requests` counts what was asked.
    """

    local = False

    def __init__(self, clock, late_s=0.0, ahead_s=0.0):
        self.clock = clock
        self.late_s = late_s
        self.ahead_s = ahead_s
        self.folders = {}
        self.requests = 0

    def _ask(self):
        self.requests += 1
        self.clock.sleep(0.001)

    def _put(self, name, content):
        folder, _, base = name.rpartition("/")
        self.folders.setdefault(folder, {}).setdefault(base, []).append((self.clock.now(), content))

    def _seen(self, versions):
        seen = [one for one in versions if one[0] + self.late_s <= self.clock.now()]
        return seen[-1] if seen and seen[-1][1] is not None else None

    def list(self, folder):
        self._ask()
        found = {}
        for name, versions in self.folders.get(folder, {}).items():
            seen = self._seen(versions)
            if seen is not None:
                found[name] = StoredFile(len(seen[1]), seen[0] + self.ahead_s)
        return found

    def _versions(self, name):
        folder, _, base = name.rpartition("/")
        return self.folders.get(folder, {}).get(base, [])

    def create(self, name, content, *, durable=False):
        self._ask()
        versions = self._versions(name)
        if versions and versions[-1][1] is not None:
            return versions[-1][1] == content
        self._put(name, content)
        return True

    def overwrite(self, name, content):
        self._ask()
        self._put(name, content)

    def write(self, name, lines):
        self._ask()
        content = b"".join(lines)
        self._put(name, content)
        return {"bytes": len(content), "digest": ""}

    def read(self, name):
        self._ask()
        seen = self._seen(self._versions(name))
        return seen[1] if seen else None

    def exists(self, name):
        return self.read(name) is not None

    def remove(self, name):
        self._ask()
        if self._versions(name):
            self._put(name, None)
        for folder in [one for one in self.folders if one == name or one.startswith(f"{name}/")]:
            for base in list(self.folders[folder]):
                self._put(f"{folder}/{base}", None)
