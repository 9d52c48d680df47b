"""Prompts counted in tokens, in their chat template; a missing tokenizer is an error, never a filter left out."""

from typing import Any

TOLERANCE = 100
"""Tokens below the limit that a prompt must stay: room for what a template adds."""


def open_tokenizer(name: str) -> Any:
    """A tokenizer from a folder or the hub.

    Raises:
        ValueError: it is neither here nor can it be fetched.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ValueError(
            f"there is no tokenizer {name!r} to count tokens with ({reason}); give tokenizer=FOLDER, or "
            "max_length=null to keep prompts of every length"
        ) from None


def prompt_tokens(tokenizer: Any, prompt: str) -> int:
    """Tokens of a prompt as one user turn in the chat template, without the generation prompt.

    Raises:
        ValueError: the tokenizer has no chat template.
    """
    turns = [{"role": "user", "content": prompt}]
    found = tokenizer.apply_chat_template(turns, tokenize=True, add_generation_prompt=False, return_dict=True)
    return len(found["input_ids"])


def fits(tokens: int, max_length: int) -> bool:
    """Whether a prompt of so many tokens fits a context.

    >>> fits(3996, 4096), fits(3997, 4096)
    (True, False)
    """
    return tokens <= max_length - TOLERANCE
