"""Open the engine that a config names, or say in one line what is missing (check_engine)."""

from pathlib import Path

from common.engines.config import EngineConfig, ServerEngineConfig, TransformersEngineConfig, VLLMEngineConfig
from common.engines.requests import Engine
from common.weights import find_model, model_identity


def open_engine(config: EngineConfig, model: str) -> Engine:
    """Load a model, or connect to its server.

    Args:
        config: which back-end, and how.
        model: folder of a Hugging Face model or its hub name; for a server, the name it serves the model under.

    Raises:
        ValueError: the back-end is not installed, there is no such model, or no server answers.
    """
    check_engine(config, model)
    match config:
        case TransformersEngineConfig():
            from common.engines.transformers_engine import TransformersEngine

            return TransformersEngine(config, model)
        case ServerEngineConfig():
            from common.engines.server_engine import ServerEngine

            return ServerEngine(config, model)
        case VLLMEngineConfig():
            from common.engines.vllm_engine import VLLMEngine

            return VLLMEngine(config, model)


def served_model(config: EngineConfig, model: str) -> str:
    """What tells the model that an engine runs from another one: its weights' digest, or a server's name for it.

    Raises:
        ValueError: there is no such model.
    """
    return model_identity(model if isinstance(config, ServerEngineConfig) else find_model(model))


def check_engine(config: EngineConfig, model: str) -> None:
    """Find out cheaply, before anything heavy is imported, whether `open_engine` can work here.

    Raises:
        ValueError: in one line, what is missing.
    """
    if isinstance(config, ServerEngineConfig):
        return
    if isinstance(config, VLLMEngineConfig):
        import importlib.util

        if importlib.util.find_spec("vllm") is None:
            raise ValueError("engine vllm: the vllm package is not installed here (pip install -e .[gpu])")
        if config.speculation == "suffix" and importlib.util.find_spec("arctic_inference") is None:
            raise ValueError("engine.speculation=suffix needs a package: pip install -e .[drafts]")
    found = find_model(model, fetch=False)
    if Path(found).exists() and not (Path(found) / "config.json").is_file():
        raise ValueError(f"no model at {model}: a Hugging Face folder holds config.json")
