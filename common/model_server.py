"""One client for OpenAI-compatible servers: key, retries with backoff and Retry-After, deadline, health."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""HTTP answers that say "later"; any other error is the request's own fault and is not tried again."""


def retry_after(response: "httpx.Response") -> float:
    """Seconds that a server asks to wait, or None."""
    value = response.headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"\d{1,4}(\.\d+)?", value) else 0.0


def healthy(url: str, timeout_s: float = 5.0) -> bool:
    """Whether a server at this base address answers a request for its list of models."""
    import httpx

    try:
        return httpx.get(f"{url.rstrip('/')}/models", timeout=timeout_s).status_code == 200
    except httpx.HTTPError:
        return False
