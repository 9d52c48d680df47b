"""Secrets out of whatever is written or printed: addresses with a password, fields and headers that hold keys."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

# Every pattern begins where a run of such characters begins: from inside of one it would be gone through once for each.
_USERINFO = re.compile(r"(?<![a-zA-Z0-9+.-])([a-zA-Z0-9+.-]++://)[^/@\s?#]+@")
_QUERY = re.compile(
    r"([?&;](?:[\w-]*[_-])?(?:api[_-]?key|key|token|secret|password|passwd|signature|sig)=)[^&;\s#]+", re.IGNORECASE
)
_BEARER = re.compile(r"(\bBearer\s+)[^\s\"',]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?<![\w.-])((?:[\w.-]*[._-])?(?:api[_-]?key|access[_-]?key|secret|password|passwd|authorization|auth[_-]?token"
    r"|access[_-]?token|bearer[_-]?token|hf[_-]?token)\s*[=:]\s*)(?!\*\*\*)[^\s,;}'\"]+",
    re.IGNORECASE,
)
_SECRET_FIELD = re.compile(
    r"^token$|(?:^|[_.-])(?:api[_-]?key|access[_-]?key|private[_-]?key|secret(?:[_-]?key)?|password|passwd"
    r"|authorization|credentials?|(?:auth|access|bearer|api|hf|refresh)[_-]?token)$",
    re.IGNORECASE,
)


def is_secret_field(name: str) -> bool:
    """Whether a field of this name holds a secret itself, rather than the name of a variable that does.

    >>> [is_secret_field(name) for name in ("api_key", "x-api-key", "token", "api_key_env", "eos_token")]
    [True, True, True, False, False]
    """
    return _SECRET_FIELD.search(name) is not None


def redacted(value: Any) -> Any:
    """The same value with secrets hidden, at any depth; numbers and flags stay.

    >>> redacted("http://user:pass@host/v1?api_key=abc&n=1")
    'http://***@host/v1?api_key=***&n=1'
    >>> redacted({"extra_body": {"api_key": "abc", "top_k": 5}})
    {'extra_body': {'api_key': '***', 'top_k': 5}}
    """
    if isinstance(value, str):
        text = _USERINFO.sub(rf"\g<1>{HIDDEN}@", value)
        text = _QUERY.sub(rf"\g<1>{HIDDEN}", text)
        text = _BEARER.sub(rf"\g<1>{HIDDEN}", text)
        return _ASSIGNED.sub(rf"\g<1>{HIDDEN}", text)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if isinstance(item, str) and item and is_secret_field(str(key)) else redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value
