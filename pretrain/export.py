"""Turn checkpoints and tokenised sets into other programs' forms, and back.

Usage:
    python -m pretrain.export to-hf CHECKPOINT OUT           # a stock Hugging Face folder: transformers, vLLM, lm-eval
    python -m pretrain.export from-hf FOLDER OUT             # such a folder, or any small Llama, as our checkpoint
    python -m pretrain.export from-open-lm EPOCH.pt [MODEL.json] OUT
    python -m pretrain.export to-open-lm CHECKPOINT OUT      # OUT/checkpoints/epoch_0.pt, OUT/model.json
    python -m pretrain.export tar-in DIR OUT                    # DCLM's tars of json.gz to our tokenised set
    python -m pretrain.export tar-out DIR OUT

CHECKPOINT is a run folder (its last checkpoint, or step=N) or a checkpoint folder.
"""

from typing import Literal

from common.command import entry_point, fail, parse, usage_errors
from common.config import RunConfig

PATHS = {"to-hf": 2, "from-hf": 2, "from-open-lm": (2, 3), "to-open-lm": 2, "tar-in": 2, "tar-out": 2}


class ExportConfig(RunConfig):
    """What to convert, and how."""

    command: Literal["to-hf", "from-hf", "from-open-lm", "to-open-lm", "tar-in", "tar-out"]
    """The direction."""

    paths: list[str] = []
    """What to read and, last, what to write."""

    step: int | None = None
    """The step of a run to take; null: its last checkpoint."""

    averaged: bool = False
    """Take the averaged weights (of a run with `ema`)."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the exported weights. For bfloat16, the change of the logits is measured and printed."""

    rope: Literal["as_trained", "exact"] = "as_trained"
    """`as_trained` keeps rounded rotary frequencies (a `longrope` table); `exact` writes the default ones."""

    verify: bool = True
    """Load what was exported and compare its logits with the checkpoint's."""

    unsafe: bool = False
    """Unpickle an `.pt` file that holds more than tensors and numbers; only for files you made yourself."""

    import_pad: int | None = None
    """tar-in: a run of this id at a context's end is padding (DCLM writes 50256); null: nothing is."""

    text: str = ""
    """from-open-lm, for a file without rotary frequencies: a tokenised folder whose loss decides between the forms."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then convert."""
    config = parse(ExportConfig, __doc__, argv, positional=("command", "paths"), plan=_plan)
    if config.command.startswith("tar"):
        from pretrain.tokenising.tars import export_tars, import_tars

        with usage_errors():
            source, out = _paths(config)
            if config.command == "tar-in":
                import_tars(source, out, config.import_pad)
            else:
                export_tars(source, out)
        print(out)  # noqa: T201 - the command's output
        return
    from pretrain.checkpoints import hugging_face as convert
    from pretrain.checkpoints import open_lm

    with usage_errors():
        *sources, out = _paths(config)
        if config.command == "to-hf":
            report = convert.to_hf(
                sources[0],
                out,
                step=config.step,
                averaged=config.averaged,
                dtype=config.dtype,
                exact_rope=config.rope == "exact",
                verify=config.verify,
            )
        elif config.command == "from-hf":
            report = convert.from_hf(sources[0], out)
        elif config.command == "to-open-lm":
            report = open_lm.to_open_lm(sources[0], out, step=config.step, averaged=config.averaged)
        else:
            described = sources[1] if len(sources) > 1 else None
            report = open_lm.from_open_lm(sources[0], described, out, unsafe=config.unsafe, text=config.text)
    print(f"{out}: {report}")  # noqa: T201 - the command's output


def _paths(config: ExportConfig) -> list[str]:
    wanted = PATHS[config.command]
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    if len(config.paths) not in wanted:
        fail(f"{config.command} takes {' or '.join(map(str, wanted))} paths, not {len(config.paths)}; see --help")
    return config.paths


def _plan(config: ExportConfig) -> dict[str, str]:
    *sources, out = _paths(config)
    return {"reads": ", ".join(sources), "writes": out}


if __name__ == "__main__":
    main()
