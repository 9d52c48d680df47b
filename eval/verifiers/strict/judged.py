"""Free answers in strict mode (WebInstruct): a rule first, then a judge model that is asked about equivalence only."""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from eval.judges.equivalence import LONGEST_ANSWER, Exchange, injections
from eval.judges.panel import URL_VARIABLE, Panel, PanelConfig
from eval.verifiers.result import Result, correct, infra_error, skipped, unparseable, wrong
from eval.verifiers.segments import last_box

_WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")


def judge(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """Whether the boxed answer says the same as the reference.

    An answer that equals the reference but for spacing and case is right without a request. One that speaks to the
    judge (a decision, chat tokens, headings of the request) is refused without one: it is no answer.

    Options:
        judge: a `Panel`, or its config; without it, the servers in STEM_LLM_JUDGE_URL.
    """
    if not isinstance(gold, str) or not gold.strip():
        return skipped("bad_gold")
    box = last_box(answer)
    if box is None or not box.strip():
        return unparseable("no_box" if box is None else "empty_box")
    if bare(box) == bare(gold):
        return correct(box[:LONGEST_ANSWER], asked=False)
    if len(box) > LONGEST_ANSWER:
        return wrong("too_long", box[:LONGEST_ANSWER])
    if found := injections(box):
        return wrong("blocked_construct", box, injections=found)
    try:
        panel = panel_of(options.get("judge"))
    except ValueError as unfit:
        return skipped("missing_resource", message=str(unfit))
    return ask(panel, Exchange(str(info.get("question") or ""), gold, box))


def ask(panel: Panel, exchange: Exchange) -> Result:
    """The panel's verdict as a result; none is `infra_error`, never wrong."""
    verdict = panel.decide(exchange)
    detail: dict[str, Any] = {"asked": True, "cached": verdict.cached, "reply": verdict.reply}
    detail["judge"] = panel.config.model
    version = f"{panel.config.model}, {panel.config.wording}"
    if verdict.equal is None:
        return infra_error(f"judge_{verdict.reason}", **detail).with_(version=version)
    result = correct(exchange.answer, **detail) if verdict.equal else wrong("judge_no", exchange.answer, **detail)
    return result.with_(version=version)


def panel_of(setting: Any) -> Panel:
    """The panel that a run's setting names: one that is open already, a config, addresses, or the environment.

    Raises:
        ValueError: no server is named, or the config has a mistake.
    """
    if isinstance(setting, Panel):
        return setting
    if isinstance(setting, str):
        setting = {"urls": setting.split(",")}
    config = PanelConfig.model_validate(setting if isinstance(setting, Mapping) else {})
    return _open(json.dumps(config.model_dump(), sort_keys=True), tuple(config.addresses()))


@functools.lru_cache(maxsize=8)
def _open(config: str, addresses: tuple[str, ...]) -> Panel:
    if not addresses:
        raise ValueError(f"no judge: set options.judge.urls or {URL_VARIABLE}")
    return Panel(PanelConfig.model_validate_json(config))


def bare(text: str) -> str:
    """A text without case, spaces, math marks, `\\text{...}` and a closing period: what equality by rule looks at."""
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    return re.sub(r"[\s$]+|\\[,;:! ]", "", text.replace("\\$", "")).casefold().rstrip(".")
