"""Start one OpenAI-compatible server, wait until it answers, and stop it with this process.

Usage:
    python -m common.serve configs/serve/dataman.yaml              # runs until stopped; prints the URL once healthy
    python -m common.serve configs/serve/dataman.yaml port=8100 gpus=3
    python -m common.serve configs/serve/dataman.yaml --wait       # starts nothing; returns when the server answers
    python -m common.serve configs/serve/verifier.yaml host=0.0.0.0 api_key_env=JUDGE_KEY url_file=RUN/judge_url

The command is vLLM's `vllm serve` unless the config has another; `scripts/rl.sh` starts the servers of an RL config so.
"""

from typing import Any

from common.command import entry_point, fail, parse, usage_errors
from common.model_server import healthy
from common.serve.config import ServeConfig
from common.serve.process import serve, wait_until_healthy


def plan(config: ServeConfig) -> dict[str, Any]:
    """What would be started."""
    return {"runs": " ".join(config.words()), "url": config.url, "gpus": config.gpus or "as given"}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then serve or wait."""
    config = parse(ServeConfig, __doc__, argv, plan=plan)
    with usage_errors():
        key = config.key
    if not config.wait and healthy(config.own_url, timeout_s=1, key=key):
        fail(f"something answers at {config.own_url} already; stop it, or give another port")
    try:
        if config.wait:
            wait_until_healthy(config)
            print(config.url)  # noqa: T201
        else:
            raise SystemExit(serve(config))
    except RuntimeError as error:
        fail(str(error), code=1)


if __name__ == "__main__":
    main()
