"""Ask judge models whether an answer equals the reference: several servers, health, retries, and a cache by content.

A verdict that nobody gave is None with a reason and is counted; it is never a no.
"""

import os
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, RunConfig
from common.model_server import Failure, ModelServer, healthy
from common.tokens.defuse import defused_messages
from eval.judges.equivalence import SELF_TEST, SELF_TEST_LEAST, Exchange, Wording, messages, read_decision
from eval.judges.replies import VerdictMemory, reply_text

URL_VARIABLE = "STEM_LLM_JUDGE_URL"
"""Environment variable with the judges' addresses, parted by commas, where the config names none."""


class PanelConfig(RunConfig):
    """The judge model, and the servers that all serve it."""

    urls: Annotated[list[str], HOW] = []
    """Base addresses such as `http://127.0.0.1:8004/v1`; empty: those in the variable STEM_LLM_JUDGE_URL."""

    model: str = "TIGER-Lab/general-verifier"
    """Model name that the servers answer to."""

    wording: Wording = "general_verifier"
    """`general_verifier`, `compass` (CompassVerifier: A, B or C), or `correct_incorrect` for any instruction model."""

    max_tokens: int = Field(1024, ge=1)
    """Longest reply; the published client sent no limit."""

    api_key_env: Annotated[str, HOW] = ""
    """Environment variable that holds the key, if the servers want one."""

    retries: Annotated[int, HOW] = Field(3, ge=0)
    """Further tries at one server after a lost connection, a time-out or an answer of 408, 409, 425, 429 or 5xx."""

    backoff_s: Annotated[float, HOW] = Field(1.0, gt=0)
    """Wait before the first retry; doubles with each."""

    timeout_s: Annotated[float, HOW] = Field(60.0, gt=0)
    """Longest wait for one reply."""

    deadline_s: Annotated[float, HOW] = Field(180.0, gt=0)
    """Longest time for one verdict, with all retries and servers."""

    concurrency: Annotated[int, HOW] = Field(256, ge=1)
    """Requests in flight."""

    cache: Annotated[str, HOW] = ""
    """File that verdicts are added to and read from, a JSON line each; empty: kept in memory only."""

    def addresses(self) -> list[str]:
        """The servers' base addresses, ending in `/v1`, whatever of the path was given."""
        given = self.urls or os.environ.get(URL_VARIABLE, "").split(",")
        return [base_address(url) for url in given if url.strip()]


def base_address(url: str) -> str:
    """A server's base address: with `/v1`, without `/chat/completions`.

    >>> base_address("http://node7:8000"), base_address("http://node7:8000/v1/chat/completions/")
    ('http://node7:8000/v1', 'http://node7:8000/v1')
    """
    base = url.strip().rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's decision, or why there is none."""

    equal: bool | None
    reason: str = ""
    """`down` or `garbled` without a decision."""
    reply: str = ""
    cached: bool = False


class Panel:
    """Several servers of one judge model; those that fail are asked last.

    Safe to use from many threads. `counts` holds how many verdicts were asked, cached, yes, no, garbled and down.

    Raises:
        ValueError: neither the config nor the environment names a server.
    """

    def __init__(self, config: PanelConfig) -> None:
        urls = config.addresses()
        if not urls:
            raise ValueError(f"a judge needs a server: set its urls, or {URL_VARIABLE}, such as http://127.0.0.1:8004")
        self.config = config
        self.server = ModelServer(
            urls,
            api_key_env=config.api_key_env,
            retries=config.retries,
            backoff_s=config.backoff_s,
            timeout_s=config.timeout_s,
            deadline_s=config.deadline_s,
            connections=config.concurrency,
        )
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._flight = threading.BoundedSemaphore(config.concurrency)
        self._known = VerdictMemory(config.cache, "equal")
        if self._known.unreadable:
            self.counts["unreadable_cache_line"] += self._known.unreadable

    def decide(self, exchange: Exchange) -> Verdict:
        """One verdict: from the cache, or from the first server in turn that gives one."""
        key = exchange.key(self.config.model, self.config.wording)
        with self._lock:
            self.counts["asked"] += 1
            known = self._known.get(key)
            if known:
                self.counts["cached"] += 1
                return Verdict(known.yes, "", known.reply, cached=True)
        with self._flight:
            verdict = self._ask(exchange)
        with self._lock:
            self.counts[verdict.reason or ("yes" if verdict.equal else "no")] += 1
            if verdict.equal is not None:
                self._known.add(key, verdict.equal, verdict.reply)
        return verdict

    def _ask(self, exchange: Exchange) -> Verdict:
        body: dict[str, Any] = {
            "model": self.config.model,
            "messages": defused_messages(messages(exchange, self.config.wording))[0],
            "temperature": 0.0,
            "max_tokens": self.config.max_tokens,
            "chat_template_kwargs": {"enable_thinking": False},
        }
        found = self.server.post("chat/completions", body, reply_text)
        if isinstance(found, Failure):
            return Verdict(None, "down", f"{found.reason}: {found.detail}"[:300])
        equal = read_decision(found.value, self.config.wording)
        # A garbled reply is not asked for again: at temperature 0 it would be the same.
        return Verdict(equal, "" if equal is not None else "garbled", found.value[-2000:])

    def healthy(self) -> dict[str, bool]:
        """Which servers answer a request for their list of models."""
        return {url: healthy(url) for url in self.server.urls}

    def self_test(self) -> list[Exchange]:
        """The pairs with a known verdict that this judge gets wrong.

        Raises:
            RuntimeError: fewer than nine of the ten are right, or no server answers: such a judge trains nobody.
        """
        verdicts = [(exchange, self.decide(exchange), equal) for exchange, equal in SELF_TEST]
        missed = [exchange for exchange, verdict, equal in verdicts if verdict.equal is not equal]
        if len(SELF_TEST) - len(missed) < SELF_TEST_LEAST:
            reasons = sorted({verdict.reason for _, verdict, _ in verdicts if verdict.reason})
            raise RuntimeError(
                f"the judge {self.config.model} gets {len(SELF_TEST) - len(missed)} of {len(SELF_TEST)} known pairs "
                f"right, {SELF_TEST_LEAST} are needed{': ' + ', '.join(reasons) if reasons else ''}"
            )
        return missed
