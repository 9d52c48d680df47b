"""The `server` back-end: any OpenAI-compatible URL, a bounded number of requests at a time, retries with backoff."""

import asyncio
import queue
import random
import threading
import time
from dataclasses import replace
from typing import Any

import aiohttp

from common.engines.config import ServerEngineConfig
from common.engines.requests import Completion, Engine, Request, load_tokenizer, overdue, too_long
from common.model_server import (
    RETRIED,
    UNREADABLE,
    ModelServer,
    api_key,
    backoff,
    is_loopback,
    read_answer,
    retry_after,
)
from common.tokens.defuse import Defused, defused_messages


class ServerError(RuntimeError):
    """An answer that cannot be used; `again` if another attempt may fare better."""

    def __init__(self, message: str, *, again: bool, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.wait_s = wait_s


class ServerEngine(Engine):
    """Sends requests from a thread of its own, so that the network does not wait for the caller."""

    def __init__(self, config: ServerEngineConfig, model: str) -> None:
        self.model = model
        self.config = config
        self.limit = config.in_flight
        self.url = config.url.rstrip("/")
        key = api_key(config.api_key_env or "")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.max_model_len = config.max_model_len or self._ask_for_model()
        self.tokenizer = load_tokenizer(config.tokenizer) if config.tokenizer else None
        self.control_names = self.tokenizer.all_special_tokens if self.tokenizer is not None else []
        self.chat_template_kwargs = config.extra_body.get("chat_template_kwargs", {})
        self._done: queue.Queue[Completion] = queue.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="server-engine", daemon=True)
        self._thread.start()
        self._client = asyncio.run_coroutine_threadsafe(self._open_client(), self._loop).result()

    async def _open_client(self) -> aiohttp.ClientSession:
        """The connections; made on the loop, because they belong to it."""
        limit = aiohttp.TCPConnector(limit=self.config.in_flight)
        patience = aiohttp.ClientTimeout(total=self.config.timeout_s)
        return aiohttp.ClientSession(
            headers=self.headers, timeout=patience, connector=limit, trust_env=not is_loopback(self.url)
        )

    def _ask_for_model(self) -> int | None:
        """Wait for the server and return the length it gives for the model, if it does."""
        deadline = time.monotonic() + self.config.start_timeout_s
        with ModelServer(self.url, api_key_env=self.config.api_key_env or "", timeout_s=10) as server:
            while True:
                try:
                    served = {entry.get("id"): entry for entry in server.models()}
                    break
                except ValueError:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(1)
        if served and self.model not in served:
            raise ValueError(f"{self.url} serves {', '.join(map(str, served))}, not {self.model}")
        return served.get(self.model, {}).get("max_model_len")

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
        asyncio.run_coroutine_threadsafe(self._close_client(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close_client(self) -> None:
        await self._client.close()
        await asyncio.sleep(0)  # the sockets themselves close one turn of the loop later

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
        attempt = 0
        while True:
            try:
                return await self._ask(request, began)
            except ServerError as error:
                if not error.again or attempt == self.config.retries:
                    return Completion.failed(request.id, str(error), seconds=time.monotonic() - began)
                await asyncio.sleep(backoff(attempt, self.config.backoff_s, jitter, error.wait_s))
                attempt += 1

    async def _ask(self, request: Request, began: float) -> Completion:
        path, body = self._body(request)
        try:
            async with self._client.post(f"{self.url}/{path}", json=body) as answer:
                text = await answer.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerError(f"{type(error).__name__}: {error}", again=True) from None
        if answer.status != 200:
            again = answer.status in RETRIED
            message = f"HTTP {answer.status}: {text[:200]}"
            raise ServerError(message, again=again, wait_s=retry_after(answer.headers))
        try:
            return self._completion(request, read_answer(text), began)
        except UNREADABLE as error:
            raise ServerError(f"not an answer ({type(error).__name__}): {text[:200]}", again=True) from None

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
