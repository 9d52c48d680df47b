"""One client for servers that speak JSON over HTTP: key, retries with backoff, deadline, health, several addresses.

The policy is the same for judges, raters, likelihoods and engines. Waits are bounded, whatever a server asks for; a
server on this machine is never asked through a proxy; an answer that cannot be read is an error with a reason, never a
value. The streaming engine keeps its own connections (aiohttp) and takes the policy from here.
"""

import ipaddress
import json
import math
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from common.runs.redaction import redacted

T = TypeVar("T")

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP answers that say "later"; any other error is the request's own fault and is not tried again."""

LONGEST_WAIT_S = 60.0
"""Longest pause before another try, also where a server asks for more."""

UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)
"""What reading an answer raises when it is not of the promised form."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a server said, read."""

    value: T
    tries: int


@dataclass(frozen=True)
class Failure:
    """Why there is no answer."""

    reason: str
    """`unreachable`, `timeout`, `http_<code>`, `malformed` or `deadline`."""

    detail: str
    tries: int


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own.

    >>> is_loopback("http://127.0.0.1:8000/v1"), is_loopback("http://example.org/v1")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server asks to wait: 0 where it says none or nothing sensible, at most `LONGEST_WAIT_S`.

    >>> retry_after({"retry-after": "2"}), retry_after({"retry-after": "inf"}), retry_after({"retry-after": "1e9"})
    (2.0, 0.0, 60.0)
    """
    try:
        seconds = float(headers.get("retry-after", 0))
    except ValueError:  # a date: its sender's clock may be anything
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else 0.0


def read_answer(text: str) -> Any:
    """JSON as a server sent it.

    Raises:
        ValueError: it is no JSON, is nested too deep to be read, or holds text that no file could hold (half of a
            surrogate pair).
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("text with half of a surrogate pair") from None
    return value


def backoff(attempt: int, base_s: float, jitter: random.Random, asked_s: float = 0.0) -> float:
    """Seconds before another try: doubling, spread by a half, at least what the server asked for, bounded."""
    return max(min(base_s * 2**attempt, LONGEST_WAIT_S) * jitter.uniform(0.5, 1.0), asked_s)


def api_key(variable: str) -> str:
    """The key that an environment variable holds; empty where no variable is named.

    Raises:
        ValueError: the variable is not set.
    """
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise ValueError(f"the environment variable {variable} (api_key_env) is not set; it holds the server's key")
    return key


@dataclass(eq=False)
class ServerAddress:
    """One address, the requests it works on, and until when it is left alone."""

    url: str
    busy: int = 0
    failures: int = 0
    """In a row."""
    rests_until: float = 0.0


BAD_ANSWERS = 3
"""An address rests after so many failures in a row, or one that answers badly at once would draw all requests."""

OWN_FAULTS = ("http_400", "http_404", "http_413", "http_422")
"""Failures that say nothing about the server."""


class Balance:
    """Which of several servers gets the next request: of those that do not rest, the one with the fewest in work.

    One that cannot be reached rests, longer each time (at most a minute); so does one that fails several times in a
    row. An answer ends both. Not for several threads at once.

    Args:
        urls: base addresses; a text holds several with commas between.
        backoff_s: of the first rest.

    Raises:
        ValueError: there is none.
    """

    def __init__(self, urls: str | Sequence[str], backoff_s: float) -> None:
        listed = urls.split(",") if isinstance(urls, str) else urls
        self.addresses = [ServerAddress(url.strip().rstrip("/")) for url in listed if url.strip()]
        if not self.addresses:
            raise ValueError("no server is named: give its url, such as http://127.0.0.1:8001/v1")
        self.backoff_s = backoff_s

    def awake(self, besides: ServerAddress | None = None) -> list[ServerAddress]:
        """The addresses that do not rest, but for one."""
        now = time.monotonic()
        return [one for one in self.addresses if one.rests_until <= now and one is not besides]

    def choose(self) -> ServerAddress:
        """The address for the next request; one that rests only where all do."""
        return min(self.awake() or self.addresses, key=lambda one: (one.busy, one.failures))

    def answered(self, address: ServerAddress) -> None:
        """It works."""
        address.failures, address.rests_until = 0, 0.0

    def failed(self, address: ServerAddress, reason: str) -> None:
        """It did not; `reason` as in `Failure`."""
        if reason in OWN_FAULTS:
            return
        address.failures += 1
        if reason == "unreachable" or address.failures >= BAD_ANSWERS:
            rest_s = min(self.backoff_s * 2**address.failures, LONGEST_WAIT_S)
            address.rests_until = time.monotonic() + rest_s


class ModelServer:
    """A client for one server or several that serve the same; its connections close with a `with`, or its end.

    Of several addresses each request goes to the one that `Balance` chooses; where that cannot be reached, the request
    goes on to another.

    Args:
        urls: base addresses, such as `http://127.0.0.1:8001/v1`; a text holds several with commas between.
        api_key_env: environment variable that holds the key, if the servers want one.
        retries: further tries after a lost connection, a time-out, an unreadable answer or a status of `RETRIED`.
        backoff_s: wait before the first retry; doubles with each.
        timeout_s: longest wait for one answer.
        deadline_s: longest time for one request with all its retries; None: no such bound.
        connections: most connections at a time to each address.

    Raises:
        ValueError: no address is given, or the key is not there.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        api_key_env: str = "",
        retries: int = 4,
        backoff_s: float = 1.0,
        timeout_s: float = 60.0,
        deadline_s: float | None = None,
        connections: int = 32,
    ) -> None:
        import httpx

        self._balance = Balance(urls, backoff_s)
        key = api_key(api_key_env)
        self.retries, self.backoff_s, self.deadline_s = retries, backoff_s, deadline_s
        self._lock = threading.Lock()
        self._clients = {
            address: httpx.Client(
                timeout=timeout_s,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                limits=httpx.Limits(max_connections=connections),
                trust_env=not is_loopback(address.url),
            )
            for address in self._balance.addresses
        }
        weakref.finalize(self, _close, list(self._clients.values()))

    def __enter__(self) -> "ModelServer":
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        _close(list(self._clients.values()))

    @property
    def closed(self) -> bool:
        """Whether its connections are closed for good."""
        return all(one.is_closed for one in self._clients.values())

    @property
    def urls(self) -> list[str]:
        """The addresses, in the order given."""
        return [address.url for address in self._balance.addresses]

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Any], T]) -> Answer[T] | Failure:
        """Send a request until there is an answer or no try is left.

        Args:
            path: what follows the base address, such as `chat/completions`.
            body: the request.
            read: turns the answer's JSON into a value; raises one of `UNREADABLE` where it has another form.
        """
        began = time.monotonic()
        jitter = random.Random(json.dumps(body, sort_keys=True, default=str))  # a request's waits are its own
        failure = Failure("deadline", "no time for a try", 0)
        for attempt in range(self.retries + 1):
            outcome, asked_s = self._once(path, body, read, attempt + 1)
            if isinstance(outcome, Answer):
                return outcome
            failure = outcome
            later = failure.reason.removeprefix("http_")
            if later.isdigit() and int(later) not in RETRIED:
                return failure
            if attempt == self.retries:
                break
            wait_s = self._pause(failure, attempt, jitter, asked_s)
            if self.deadline_s is not None and time.monotonic() - began + wait_s > self.deadline_s:
                return Failure("deadline", failure.detail, attempt + 1)
            time.sleep(wait_s)
        return failure

    def models(self) -> list[dict[str, Any]]:
        """What the first address that answers says it serves.

        Raises:
            ValueError: no address answers, or none with a list of models.
        """
        problem = ""
        for address in self._balance.addresses:
            outcome = self._ask(address, "get", "models", None, lambda found: [dict(one) for one in found["data"]], 1)
            if isinstance(outcome[0], Answer):
                return outcome[0].value
            problem = problem or f"{outcome[0].reason}: {outcome[0].detail}"
        raise ValueError(f"no server at {', '.join(self.urls)} ({problem})")

    def _pause(self, failure: Failure, attempt: int, jitter: random.Random, asked_s: float) -> float:
        if failure.reason == "unreachable" and len(self._clients) > 1 and self._balance.awake():
            return 0.0  # another address is asked at once
        return backoff(attempt, self.backoff_s, jitter, asked_s)

    def _once(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], T], tries: int
    ) -> tuple[Answer[T] | Failure, float]:
        with self._lock:
            address = self._balance.choose()
            address.busy += 1
        try:
            outcome, asked_s = self._ask(address, "post", path, body, read, tries)
        finally:
            with self._lock:
                address.busy -= 1
        with self._lock:
            if isinstance(outcome, Failure):
                self._balance.failed(address, outcome.reason)
            else:
                self._balance.answered(address)
        return outcome, asked_s

    def _ask(
        self, address: ServerAddress, method: str, path: str, body: Any, read: Callable[[Any], T], tries: int
    ) -> tuple[Answer[T] | Failure, float]:
        """One request, and how long the server asks to wait."""
        import httpx

        try:
            response = self._clients[address].request(method, f"{address.url}/{path}", json=body)
        except httpx.TimeoutException as error:
            return Failure("timeout", type(error).__name__, tries), 0.0
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            return Failure("unreachable", f"{type(error).__name__}: {error}", tries), 0.0
        if response.status_code != 200:
            shown = response.text[:200]
            return Failure(f"http_{response.status_code}", shown, tries), retry_after(response.headers)
        try:
            return Answer(read(read_answer(response.text)), tries), 0.0
        except UNREADABLE as error:
            return Failure("malformed", f"{type(error).__name__}: {response.text[:200]}", tries), 0.0


def require_some(usable: int, reasons: Mapping[str, int], what: str, detail: str = "") -> None:
    """See that not everything that a server was asked for is missing.

    Args:
        usable: answers that say something.
        reasons: why the others do not, and how many of each.
        what: what the answers would have been, in the plural.
        detail: what the server said to one of them.

    Raises:
        ConnectionError: there is no usable answer, and there are reasons.
    """
    if usable or not any(reasons.values()):
        return
    counted = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    said = f"; the server said: {redacted(detail[:200])}" if detail else ""
    raise ConnectionError(f"none of the {what} could be had ({counted}){said}")


def healthy(url: str, timeout_s: float = 5.0, key: str = "") -> bool:
    """Whether a server at this base address answers a request for its list of models, with its key if it wants one."""
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(timeout=timeout_s, headers=headers, trust_env=not is_loopback(url)) as client:
            return client.get(f"{url.rstrip('/')}/models").status_code == 200
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def _close(clients: Sequence[Any]) -> None:
    for client in clients:
        client.close()
