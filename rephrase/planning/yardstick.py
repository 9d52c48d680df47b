"""An engine's tokenizer and room without its model: prompts can be measured, and nothing be generated."""

import json
from pathlib import Path

from common.engines.config import Capabilities
from common.engines.requests import Completion, Engine, Request, load_tokenizer
from common.weights import context_length, find_model


class Yardstick(Engine):
    """What the stage asks an engine before it cuts a document; it answers no request.

    Args:
        config: the engine's config.
        model: the run's model; where its tokenizer is not at hand, `tokenizer` is None and only characters count.
    """

    limit = 1

    def __init__(self, config: Capabilities, model: str) -> None:
        self.model = model
        self.chat_template_kwargs = getattr(config, "chat_template_kwargs", {})
        self.max_model_len = getattr(config, "max_model_len", None)
        folder = _folder(config.tokenizer_folder(model))
        if folder is not None:
            self.tokenizer = load_tokenizer(str(folder))
            described = folder / "config.json"
            if self.max_model_len is None and described.is_file():
                self.max_model_len = context_length(json.loads(described.read_text(encoding="utf-8")))

    def _submit(self, request: Request) -> None:
        raise RuntimeError(f"request {request.id}: a yardstick measures prompts and generates nothing")

    def _collect(self) -> list[Completion]:
        return []

    def _abort(self) -> None:
        """Nothing is in flight."""

    def close(self) -> None:
        """Nothing is held."""


def _folder(name: str | None) -> Path | None:
    """A tokenizer's folder if it is here; a model may be planned with before it is there."""
    try:
        folder = Path(find_model(name)) if name else None
    except ValueError:
        return None
    return folder if folder is not None and folder.is_dir() else None
