"""TokenizeConfig: from a pool of documents to a tokenised set."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.config import HOW, CommaList, Out, RunConfig


class TokenizeConfig(RunConfig):
    """From a pool of documents to a tokenised set. What is marked as `how` there does not change the output."""

    # Not hashed as paths: the names and sizes of the shards and the tokenizer's content are what counts.
    input: Annotated[CommaList, HOW]
    """Pools: folders, globs, files or fsspec URLs of `.jsonl[.gz|.zst|.zstd]` and `.parquet` shards."""

    output: Annotated[str, HOW, Out(folder=True)]
    """Folder for the tokenised set; local, since it is memory-mapped."""

    tokenizer: Annotated[str, HOW]
    """Folder with a `tokenizer.json`, or that file."""

    name: Annotated[str | None, HOW] = None
    """Name of the set in its `dataset.json`; by default that of the output folder."""

    seq_len: int = Field(2048, ge=1)
    """Tokens a model sees at once; a context holds one more, the last target (DCLM: 2048)."""

    seed: int = Field(1234, ge=0, lt=1 << 64)
    """Seed of the shuffle (DCLM: 1234)."""

    pack: Literal["file", "stream", "best_fit"] = "file"
    """`file`: documents of a shard one after the other, cut into contexts (DCLM). `stream`: the same across shards.
    `best_fit`: documents whole where they fit (arXiv:2404.10830)."""

    tail: Literal["pad", "drop"] = "pad"
    """What becomes of tokens that do not fill a context: padded, or dropped and counted."""

    eot: int | str | None = None
    """Id or token that ends a document; by default the tokenizer's `eos_token`."""

    bos: int | str | None = None
    """Id or token that begins one; by default the tokenizer's `bos_token`."""

    pad: int | str | None = None
    """Id or token that fills up; by default the tokenizer's `pad_token`, else EOT. DCLM uses 50256 with GPT-NeoX."""

    add_bos: bool = False
    """Whether each document begins with BOS."""

    special_in_text: Literal["plain", "match"] = "plain"
    """A control token written out in a text: `plain` text, or `match` its id (DCLM and Hugging Face)."""

    vocab_size: int | None = Field(None, ge=1)
    """Ids at or above it are an error; by default the tokenizer's number of entries."""

    shard_rows: int = Field(8192, ge=1)
    """Contexts in an output shard (DCLM: 8192)."""

    export: Literal["none", "dclm"] = "none"
    """`dclm` also writes DCLM's tars to `dclm/` in the output folder."""

    engine: Annotated[Literal["auto", "gigatoken", "tokie", "tokenizers"], HOW] = "auto"
    """`auto` is gigatoken where it is installed, behind a check that it equals `tokenizers`, else `tokenizers`."""

    check_first: Annotated[int, HOW] = Field(1000, ge=1)
    """Documents at the start that a fast engine must encode like `tokenizers`."""

    check_every: Annotated[int, HOW] = Field(1000, ge=1)
    """Afterwards one document in so many is compared."""

    workers: Annotated[int, HOW] = Field(0, ge=0)
    """Processes; 0: one per core, as far as the input is worth it."""

    cluster: Annotated[Literal["local", "ray"], HOW] = "local"
    """`ray` spreads the shards over a Ray cluster that shares the output folder."""

    buffer_mib: Annotated[int, HOW] = Field(256, ge=1)
    """Memory for the shuffle, over all workers."""

    @model_validator(mode="after")
    def _fits(self) -> "TokenizeConfig":
        if "://" in self.output:
            raise ValueError(f"output {self.output} is not local; tokenised sets are memory-mapped")
        if not self.input:
            raise ValueError("input names no pool")
        return self
