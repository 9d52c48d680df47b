"""Train a small byte-level BPE tokenizer with a chat template on a pool.

Usage:
    python -m pretrain.tokenizer configs/pretrain/tokenizer_tiny.yaml pool=POOL out=runs/tiny/tokenizer

Byte-level: every text survives encoding and decoding. `phrases` become entries of their own, ordinary and not special:
a small model then reads a long fixed instruction as one token, while the text of the prompt stays what it is for any
other model.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import Out, RunConfig
from common.pools.documents import read_documents
from common.pools.shards import list_shards

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|end|>"
ROLES = ("system", "user", "assistant")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class TokenizerConfig(RunConfig):
    """A byte-level BPE tokenizer: entries, what it learns from, and phrases that are one entry each."""

    pool: str = "runs/quickstart/pool"
    """Shards whose texts it learns from."""

    out: Annotated[str, Out(folder=True)] = "runs/tiny/tokenizer"
    """Folder for the Hugging Face tokenizer."""

    vocab_size: int = Field(4096, ge=300)
    """Entries in all: 256 bytes, merges, special tokens and phrases."""

    max_chars: int = Field(20_000_000, gt=0)
    """How much text it learns from, in characters."""

    model_max_length: int = Field(2048, gt=0)
    """Longest input the model is for, in tokens."""

    phrases: list[str] = []
    """Fixed texts that become one entry each."""


def train_tokenizer(texts: Iterable[str], config: TokenizerConfig) -> "PreTrainedTokenizerFast":
    """Learn the merges and set up special tokens, phrases and chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = [END_OF_TEXT, END_OF_TURN, *(f"<|{role}|>" for role in ROLES)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size - len(config.phrases),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in config.phrases])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        model_max_length=config.model_max_length,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def pool_texts(pool: str, max_chars: int) -> Iterator[str]:
    """Texts of a pool in order, until `max_chars` characters."""
    documents = itertools.chain.from_iterable(read_documents(shard.path, shard.index) for shard in list_shards(pool))
    for document in documents:
        if max_chars <= 0:
            return
        max_chars -= len(document["text"])
        yield document["text"]


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then train and save the tokenizer."""
    config = parse(TokenizerConfig, __doc__, argv, plan=lambda config: {"reads": config.pool, "writes": config.out})
    with usage_errors():
        list_shards(config.pool)
    tokenizer = train_tokenizer(pool_texts(config.pool, config.max_chars), config)
    Path(config.out).mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(config.out)
    print(f"{len(tokenizer)} entries, in {config.out}")  # noqa: T201


if __name__ == "__main__":
    main()
