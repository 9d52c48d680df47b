"""The `server` back-end: any OpenAI-compatible URL, or several that serve the same model.

A bounded number of requests at a time, retries with backoff. Of several servers each request goes to the one with the
fewest in work. One that cannot be reached, or is silent and does not answer a look at it, is retired: what it had in
work goes to the others at once, and it comes back when it answers. A request that takes far longer than others do is
sent to a second server too, and the first answer counts.
"""

import asyncio
import logging
import math
import queue
import random
import statistics
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp

from common.engines.config import ServerEngineConfig
from common.engines.requests import Completion, Engine, Request, load_tokenizer, overdue, too_long
from common.model_server import (
    RETRIED,
    UNREADABLE,
    Balance,
    ModelServer,
    ServerAddress,
    api_key,
    backoff,
    is_loopback,
    read_answer,
    retry_after,
)
from common.tokens.defuse import Defused, defused_messages

log = logging.getLogger("repro")

MISSES = 2
"""Looks in a row that a silent server may miss."""

USUAL_OF = 64
"""Answers by which is told what is usual."""

LOOK_AGAIN_S = 1.0
"""Longest wait until a request is looked at again that may take too long."""

SECOND_SHARE = 0.05
"""Share of the requests, at most, that are sent to a second server because the first one is slow."""


class ServerError(RuntimeError):
    """An answer that cannot be used; `again` if another attempt may fare better, `reason` as in `Failure`."""

    def __init__(self, message: str, reason: str, *, again: bool, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.again = again
        self.wait_s = wait_s


class ServerEngine(Engine):
    """Sends requests from a thread of its own, so that the network does not wait for the caller."""

    def __init__(self, config: ServerEngineConfig, model: str) -> None:
        self.model = model
        self.config = config
        self.limit = config.in_flight
        key = api_key(config.api_key_env or "")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.balance = Balance(config.url, config.backoff_s)
        self.max_model_len = config.max_model_len or self._ask_for_model()
        self.tokenizer = load_tokenizer(config.tokenizer) if config.tokenizer else None
        self.control_names = self.tokenizer.all_special_tokens if self.tokenizer is not None else []
        self.chat_template_kwargs = config.extra_body.get("chat_template_kwargs", {})
        self._done: queue.Queue[Completion] = queue.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: dict[ServerAddress, set[asyncio.Task[Completion]]] = {
            one: set() for one in self.balance.addresses
        }
        self._answers: dict[ServerAddress, int] = dict.fromkeys(self.balance.addresses, 0)
        self._seconds: deque[float] = deque(maxlen=USUAL_OF)
        self.sent_twice = 0
        """Requests that a second server was asked as well, since the first one took too long."""
        self._watch: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server-engine", daemon=True)
        self._thread.start()
        self._clients = asyncio.run_coroutine_threadsafe(self._open_clients(), self._loop).result()

    async def _open_clients(self) -> dict[ServerAddress, aiohttp.ClientSession]:
        """The connections; made on the loop, because they belong to it."""
        patience = aiohttp.ClientTimeout(total=self.config.timeout_s, sock_connect=min(self.config.timeout_s, 30))
        clients = {
            address: aiohttp.ClientSession(
                headers=self.headers,
                timeout=patience,
                connector=aiohttp.TCPConnector(limit=self.config.in_flight),
                trust_env=not is_loopback(address.url),
            )
            for address in self.balance.addresses
        }
        if len(clients) > 1:
            self._watch = self._loop.create_task(self._look_after(clients))
        return clients

    def _ask_for_model(self) -> int | None:
        """Wait for one of the servers and return the least length that they give for the model, if they do.

        Raises:
            ValueError: no server answers, or one serves another model.
        """
        lengths = [self._length_at(address) for address in self.balance.addresses]
        deadline = time.monotonic() + self.config.start_timeout_s
        while all(isinstance(length, ValueError) for length in lengths):
            if time.monotonic() >= deadline:
                raise ValueError("; ".join(map(str, lengths)))
            time.sleep(1)
            lengths = [self._length_at(address) for address in self.balance.addresses]
        for address, length in zip(self.balance.addresses, lengths, strict=True):
            if isinstance(length, ValueError):
                log.warning("%s: it is left alone until it answers", length)
                address.rests_until = math.inf
        return min((length for length in lengths if isinstance(length, int)), default=None)

    def _length_at(self, address: ServerAddress) -> int | ValueError | None:
        """What a server says of the model's length, or why it does not answer."""
        with ModelServer([address.url], api_key_env=self.config.api_key_env or "", timeout_s=10) as server:
            try:
                served = {entry.get("id"): entry for entry in server.models()}
            except ValueError as error:
                return error
        if served and self.model not in served:
            raise ValueError(f"{address.url} serves {', '.join(map(str, served))}, not {self.model}")
        length = served.get(self.model, {}).get("max_model_len")
        return length if isinstance(length, int) else None

    def _submit(self, request: Request) -> None:
        defused = None
        if request.messages is not None:
            messages, defused = defused_messages(request.messages, self.control_names)
            if defused.count:
                request = replace(request, messages=messages)
        if self.tokenizer is not None and self.max_model_len is not None:
            tokens_in = len(self.render(request))
            if tokens_in + request.max_tokens > self.max_model_len:
                self._done.put(too_long(request, tokens_in, self.max_model_len))
                return
        self._loop.call_soon_threadsafe(self._start, request, defused)

    def _start(self, request: Request, defused: Defused | None) -> None:
        task = self._loop.create_task(self._answer(request, defused))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _collect(self) -> list[Completion]:
        completions = [self._done.get()]
        while not self._done.empty():
            completions.append(self._done.get())
        return completions

    def _abort(self) -> None:
        asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result()
        while not self._done.empty():
            self._done.get()

    async def _cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close(self) -> None:
        """Cancel what is in flight and end the thread."""
        self._abort()
        asyncio.run_coroutine_threadsafe(self._close_clients(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close_clients(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        await asyncio.sleep(0)  # the sockets themselves close one turn of the loop later

    async def _look_after(self, clients: Mapping[ServerAddress, aiohttp.ClientSession]) -> None:
        """Retire servers that are silent and do not answer, and take those back that do again."""
        misses = dict.fromkeys(clients, 0)
        heard = dict(self._answers)
        while True:
            await asyncio.sleep(self.config.look_s)
            silent = [
                one for one in clients if one.rests_until == math.inf or (one.busy and self._answers[one] == heard[one])
            ]
            heard = dict(self._answers)
            looks = await asyncio.gather(*(self._is_there(clients[one], one) for one in silent))
            for address, there in zip(silent, looks, strict=True):
                misses[address] = 0 if there else misses[address] + 1
                if there and address.rests_until == math.inf:
                    log.warning("%s answers again", address.url)
                    self.balance.answered(address)
                elif misses[address] >= MISSES:
                    self._retire(address, "does not answer")

    async def _is_there(self, client: aiohttp.ClientSession, address: ServerAddress) -> bool:
        try:
            async with asyncio.timeout(max(self.config.look_s, 1.0)), client.get(f"{address.url}/models") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _retire(self, address: ServerAddress, why: str) -> None:
        """Leave a server alone until it answers a look; what it had in work goes to the others."""
        if address.rests_until == math.inf or not self.balance.awake(address):
            return
        log.warning("%s %s: its %d requests go to the other servers", address.url, why, address.busy)
        address.rests_until = math.inf
        for task in self._asking[address]:
            task.cancel()

    async def _answer(self, request: Request, defused: Defused | None) -> None:
        """A request's completion, or the error that it did not end in time."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(request.deadline_s):
                completion = await self._tried(request, began)
        except TimeoutError:
            completion = overdue(request, 0, time.monotonic() - began)
        if defused is not None and defused.count:
            completion = replace(completion, text=defused.restore(completion.text), control_text=defused.count)
        self._done.put(completion)

    async def _tried(self, request: Request, began: float) -> Completion:
        """Ask until there is an answer or no attempt is left; what goes wrong becomes an error completion."""
        # Requests that failed together come back spread out; the spread is the request's own, not the clock's.
        jitter = random.Random(f"{request.id} {request.seed}")
        attempt = moves = 0
        while True:
            try:
                return await self._ask_one_or_two(request, began)
            except ServerError as error:
                gone = error.reason in ("unreachable", "disconnected") and len(self._clients) > 1
                if gone and self.balance.awake() and moves < 3 * len(self._clients):
                    moves += 1  # the server's end, not the request's: another one is asked at once
                    continue
                if not error.again or attempt == self.config.retries:
                    return Completion.failed(request.id, str(error), seconds=time.monotonic() - began)
                await asyncio.sleep(backoff(attempt, self.config.backoff_s, jitter, error.wait_s))
                attempt += 1

    async def _ask_one_or_two(self, request: Request, began: float) -> Completion:
        """An answer of the server that has the fewest requests, or of a second one where that takes too long.

        Raises:
            ServerError: neither gave one.
        """
        address = self.balance.choose()
        tasks = {self._start_asking(request, began, address): address}
        problem: ServerError | None = None
        try:
            while tasks:
                one_in_work = len(tasks) == 1 and problem is None and len(self._clients) > 1
                patience_s = self._patience_s(began) if one_in_work else None
                done, _ = await asyncio.wait(tasks, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    other = self._second_server(address, time.monotonic() - began)
                    if other is not None:
                        self.sent_twice += 1
                        tasks[self._start_asking(request, began, other)] = other
                for task in done:
                    asked = tasks.pop(task)
                    error = ServerError("the server was retired", "unreachable", again=True)
                    if not task.cancelled():
                        if (found := task.exception()) is None:
                            self._heard(asked, time.monotonic() - began)
                            if asked is not address:
                                self.balance.failed(address, "slow")
                            return task.result()
                        if not isinstance(found, ServerError):
                            raise found
                        error = found
                        self._failed(asked, error)
                    problem = error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise problem or RuntimeError("no server was asked")

    def _start_asking(self, request: Request, began: float, address: ServerAddress) -> asyncio.Task[Completion]:
        task = self._loop.create_task(self._ask(request, began, address))
        address.busy += 1
        self._asking[address].add(task)

        def ended(task: asyncio.Task[Completion]) -> None:
            address.busy -= 1
            self._asking[address].discard(task)

        task.add_done_callback(ended)
        return task

    def _heard(self, address: ServerAddress, seconds: float) -> None:
        self._answers[address] += 1
        self._seconds.append(seconds)
        self.balance.answered(address)

    def _failed(self, address: ServerAddress, error: ServerError) -> None:
        if error.reason == "unreachable" and self.balance.awake(address):
            self._retire(address, f"cannot be reached ({error})")
        else:
            self.balance.failed(address, error.reason)

    def _long_s(self) -> float:
        """What is far longer than a request usually takes."""
        if not self.config.second_after or len(self._seconds) < USUAL_OF // 4:
            return math.inf
        return self.config.second_after * statistics.median(self._seconds)

    def _patience_s(self, began: float) -> float:
        """How long to wait until it is asked whether a request takes too long: what is usual may change meanwhile."""
        return min(max(began + self._long_s() - time.monotonic(), 0.1), LOOK_AGAIN_S)

    def _second_server(self, first: ServerAddress, waited_s: float) -> ServerAddress | None:
        """For a request that takes too long: a server that has less in work than the slow one; an idle one only, where
        many requests were sent twice.
        """
        if waited_s < self._long_s():
            return None
        other = min(self.balance.awake(first), key=lambda one: one.busy, default=None)
        many = self.sent_twice > SECOND_SHARE * sum(self._answers.values())
        return other if other is not None and other.busy < (1 if many else max(first.busy, 1)) else None

    async def _ask(self, request: Request, began: float, address: ServerAddress) -> Completion:
        path, body = self._body(request)
        try:
            async with self._clients[address].post(f"{address.url}/{path}", json=body) as answer:
                text = await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerError(f"{type(error).__name__}: {error}", _reason(error), again=True) from None
        if answer.status != 200:
            again, wait_s = answer.status in RETRIED, retry_after(answer.headers)
            message = f"HTTP {answer.status}: {text[:200]}"
            raise ServerError(message, f"http_{answer.status}", again=again, wait_s=wait_s)
        try:
            return self._completion(request, read_answer(text), began)
        except UNREADABLE as error:
            message = f"not an answer ({type(error).__name__}): {text[:200]}"
            raise ServerError(message, "malformed", again=True) from None

    def _body(self, request: Request) -> tuple[str, dict[str, Any]]:
        body = {
            "model": self.model,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            # Explicit, or the server applies the model's own generation defaults. top_k, min_p and
            # repetition_penalty are extensions that servers without them ignore or refuse: extra_body overrides.
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "top_k": request.top_k,
            "min_p": 0,
            "repetition_penalty": request.repetition_penalty,
            **({"stop": list(request.stop)} if request.stop else {}),
            **self.config.extra_body,
        }
        # null in extra_body takes a field out, for servers that refuse what they do not know
        body = {key: value for key, value in body.items() if value is not None}
        if request.messages is not None:
            return "chat/completions", {**body, "messages": request.messages}
        return "completions", {**body, "prompt": request.prompt}

    def _completion(self, request: Request, reply: dict[str, Any], began: float) -> Completion:
        choice = reply["choices"][0]
        text = choice["message"]["content"] if request.messages is not None else choice["text"]
        finish = choice["finish_reason"]
        usage = reply.get("usage") or {}
        tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if not isinstance(text, str | None) or not isinstance(tokens_in, int) or not isinstance(tokens_out, int):
            raise TypeError("text or token counts are missing")
        seconds = time.monotonic() - began
        if finish not in ("stop", "length"):
            return Completion.failed(request.id, f"finish_reason {finish}", tokens_in=tokens_in, seconds=seconds)
        return Completion(request.id, text or "", finish, tokens_in, tokens_out, seconds)


def _reason(error: Exception) -> str:
    """Of a request without an answer. A connection that breaks may be one that a server closed for its age."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return "unreachable"
    return "timeout" if isinstance(error, TimeoutError) else "disconnected"
