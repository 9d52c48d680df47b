"""What a run needs, worked out and checked before torch loads: data, steps, passes, names."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.config import config_hash, read_mapping
from pretrain.data.cursor import Cursor
from pretrain.data.mixes import DataConfig, open_data
from pretrain.data.tokenised_set import TokenisedSet
from pretrain.model.config import ModelConfig, load_model_config
from pretrain.model.sizes import Counts, count_parameters
from pretrain.training.config import PretrainConfig, run_name, total_steps, training_tokens


@dataclass
class Job:
    """A run's numbers and its data."""

    model: ModelConfig | None
    """None for `hf:` models."""
    counts: Counts | None
    data: DataConfig
    cursor: Cursor
    seq_len: int
    eot_id: int | None
    tokenizer: str | None
    """Folder of the tokenizer the data was made with, if the data says."""
    tokens: int
    steps: int
    name: str
    folder: Path
    identity: str
    """Hash of the config and the data: a checkpoint of another identity is not continued."""
    digest: str
    """16 hex digits that change with the data."""
    milestones: set[int]
    """The steps after which the equally spaced checkpoints are saved, the last step among them."""

    def summary(self, config: PretrainConfig) -> dict[str, Any]:
        """What `--dry-run` prints."""
        need = self.steps * config.global_bs
        passes = ", ".join(f"{count:.3g}" for count in self.cursor.passes(need))
        return {
            "run folder": self.folder,
            "parameters": self.counts.total if self.counts else "those of the transformers config",
            "tokens": f"{self.steps * config.global_bs * self.seq_len:,} of {self.tokens:,} asked for",
            "steps": f"{self.steps:,} of {config.global_bs * self.seq_len:,} tokens",
            "data": f"{self.data.name}: {self.cursor.total:,} contexts, passes: {passes}",
        }


def _free_name(config: PretrainConfig, name: str, digest: str) -> str:
    """The run's name, with the data's digest where a run of this name on other data stands (DCLM would mix the two).

    A name that was asked for is kept, and refused later.
    """
    recorded = Path(config.logs) / name / "record.json"
    other = recorded.is_file() and read_mapping(recorded).get("dataset_digest") not in (None, digest)
    return f"{name}-{digest[:6]}" if other and not config.name else name


def prepare(config: PretrainConfig) -> Job:
    """Open the data and work out the run.

    Raises:
        ValueError: the data, the model and the budget do not fit together; the message says what to change.
    """
    if not config.data_config:
        raise ValueError("data-config is required: a tokenised folder, or a data config that names one")
    data = open_data(config.data_config)
    first = data.sets[0]
    model = None
    if not config.model.startswith("hf:"):
        model = load_model_config(config.model)
        vocab = config.vocab_size or model.vocab_size or first.vocab_size
        model = model.model_copy(update={"vocab_size": vocab, "seq_len": model.seq_len or first.seq_len})
        if vocab is None:
            raise ValueError(f"{config.data_config} does not say its vocabulary; give vocab_size=N")
        if model.seq_len != first.seq_len:
            raise ValueError(
                f"{config.model} trains on {model.seq_len} tokens and {data.name} has contexts of {first.seq_len}; "
                f"tokenise with seq_len={model.seq_len}"
            )
    _check_vocabulary(config, model, first.vocab_size, data.name)
    if config.document_mask and first.eot_id is None:
        raise ValueError(f"document_mask needs eot_id, which {data.name} does not give in its dataset.json")
    if model is None and config.tokens is None:
        raise ValueError("a transformers model needs a budget: give tokens=N")
    if config.pretrained and model and not Path(config.pretrained, ".metadata").is_file():
        raise ValueError(f"pretrained={config.pretrained} is no checkpoint folder (RUN/checkpoints/step_...)")
    counts = count_parameters(model) if model else None
    tokens = training_tokens(config, counts.published if counts else 0)
    steps = total_steps(tokens, first.seq_len, config.global_bs, config.num_checkpoints)
    if not steps:
        raise ValueError(f"{tokens} tokens are less than one step of {config.global_bs} x {first.seq_len}")
    _check_warmup(config, steps)
    _check_validation(config, model, first.seq_len)
    cursor = Cursor(data.sets, data.weights, config.seed)
    _check_budget(config, cursor, steps, data.name)
    digest = hashlib.sha256("".join(one.digest() for one in data.sets).encode()).hexdigest()[:16]
    name = _free_name(config, run_name(config, data.name, tokens), digest)
    return Job(
        model=model,
        counts=counts,
        data=data,
        cursor=cursor,
        seq_len=first.seq_len,
        eot_id=first.eot_id,
        tokenizer=_tokenizer(first),
        tokens=tokens,
        steps=steps,
        name=name,
        folder=Path(config.logs) / name,
        digest=digest,
        identity=hashlib.sha256(f"{config_hash(_identifying(config))}{digest}".encode()).hexdigest()[:16],
        milestones={round(steps * part / config.num_checkpoints) for part in range(1, config.num_checkpoints + 1)}
        - {0},
    )


def _identifying(config: PretrainConfig) -> PretrainConfig:
    """The config without where its data lies, which the data's digest says better."""
    return config.model_copy(update={"data_config": ""})


def _check_vocabulary(config: PretrainConfig, model: ModelConfig | None, data_vocab: int | None, name: str) -> None:
    if model is not None:
        vocab = model.known_vocab()
    else:
        folder = Path(config.model.removeprefix("hf:"))
        file = folder / "config.json" if folder.is_dir() else folder
        values = read_mapping(file)
        vocab = values.get("vocab_size") or values.get("text_config", {}).get("vocab_size")
    if vocab is not None and data_vocab is not None and data_vocab > vocab:
        raise ValueError(
            f"{name} has {data_vocab} token ids and the model {vocab}; give vocab_size={data_vocab} or more"
        )


def _check_warmup(config: PretrainConfig, steps: int) -> None:
    if config.warmup > steps:
        raise ValueError(
            f"the warm-up of {config.warmup} steps is longer than the run of {steps}, which would never reach lr; give "
            f"warmup={steps // 10} or so, or more tokens"
        )


def _check_validation(config: PretrainConfig, model: ModelConfig | None, seq_len: int) -> None:
    """Open what a run validates on before it trains.

    Raises:
        ValueError: a set is missing or broken, has ids that the model lacks, or two have one name.
    """
    names: dict[str, str] = {}
    for path in config.val:
        data = TokenisedSet(path)
        _check_vocabulary(config, model, data.vocab_size, path)
        if data.seq_len > seq_len:
            raise ValueError(f"val={path} has contexts of {data.seq_len} tokens and the run trains on {seq_len}")
        name = data.description.get("name") or data.folder.name
        if name in names:
            raise ValueError(f"val={names[name]} and val={path} are both called {name!r} in the metrics; rename one")
        names[name] = path


def _check_budget(config: PretrainConfig, cursor: Cursor, steps: int, name: str) -> None:
    need = steps * config.global_bs
    passes = max(cursor.passes(need))
    if passes > 1 and not config.multiple_data_passes:
        raise ValueError(
            f"{steps} steps of {config.global_bs} need {need} contexts and {name} has {cursor.total}: "
            f"{passes:.2f} passes; give multiple-data-passes=true, fewer tokens, or more data"
        )


def _tokenizer(data: TokenisedSet) -> str | None:
    """The set's tokenizer folder; a relative path in its description is relative to the set, then to here."""
    given = data.description.get("tokenizer")
    if not given:
        return None
    inside = data.folder / str(given)
    return str((inside if inside.exists() else Path(str(given))).resolve())
