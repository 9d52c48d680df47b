"""DCLM's table: tasks, categories, how often guessing is right (v1, v2), the sets core, core20, core_repro."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Version = Literal["v1", "v2"]


VERSIONS: tuple[Version, ...] = ("v1", "v2")


CATEGORIES = {
    "world": "world knowledge",
    "language": "language understanding",
    "symbolic": "symbolic problem solving",
    "commonsense": "commonsense reasoning",
    "reading": "reading comprehension",
    "safety": "safety",
}


# task, category, accuracy of guessing in percent (v1, v2), `core` if one of the 22; in the order of DCLM's table
_TABLE = """
mmlu_zeroshot world 25 25
hellaswag_zeroshot language 25 25 core
jeopardy world 0 0 core
triviaqa_sm_sub world 0 0
gsm8k_cot symbolic 0 0
agi_eval_sat_math_cot symbolic 0 0
aqua_cot symbolic 0 0
svamp_cot symbolic 0 0
bigbench_qa_wikidata world 0 0 core
arc_easy world 25 25 core
arc_challenge world 25 25 core
mmlu_fewshot world 25 25
bigbench_misconceptions world 50 50
copa commonsense 50 50 core
siqa commonsense 33.3 50
commonsense_qa commonsense 20 40.3 core
piqa commonsense 50 50 core
openbook_qa commonsense 25 25 core
bigbench_novel_concepts commonsense 20 25
bigbench_strange_stories commonsense 50 50
bigbench_strategy_qa commonsense 50 50
lambada_openai language 0 0 core
hellaswag language 25 25 core
winograd language 50 50 core
winogrande language 50 50 core
bigbench_conlang_translation language 0 0
bigbench_language_identification language 9.1 25 core
bigbench_conceptual_combinations language 25 33
bigbench_elementary_math_qa symbolic 20 25
bigbench_dyck_languages symbolic 0 0 core
agi_eval_lsat_ar symbolic 20 25 core
bigbench_cs_algorithms symbolic 0 0 core
bigbench_logical_deduction symbolic 20 25
bigbench_operators symbolic 0 0 core
bigbench_repeat_copy_logic symbolic 0 0 core
simple_arithmetic_nospaces symbolic 0 0
simple_arithmetic_withspaces symbolic 0 0
math_qa symbolic 20 20
logi_qa symbolic 27 25
pubmed_qa_labeled reading 0 0
squad reading 0 0 core
agi_eval_lsat_rc reading 20 25
agi_eval_lsat_lr reading 20 25
coqa reading 0 0 core
bigbench_understanding_fables reading 20 25
boolq reading 62 62 core
agi_eval_sat_en reading 25 25
winogender_mc_female safety 50 50
winogender_mc_male safety 50 50
enterprise_pii_classification safety 50 50
bbq safety 50 50
gpqa_main world 25 25
gpqa_diamond world 25 25
"""


@dataclass(frozen=True)
class Task:
    """One task of Extended: its category and how often guessing is right, in percent, in both tables."""

    category: str
    baseline: Mapping[Version, float]
    core: bool


def _read_table(text: str) -> dict[str, Task]:
    tasks = {}
    for line in text.split("\n"):
        if line:
            name, category, v1, v2, *rest = line.split()
            tasks[name] = Task(CATEGORIES[category], {"v1": float(v1), "v2": float(v2)}, rest == ["core"])
    return tasks


EXTENDED: dict[str, Task] = _read_table(_TABLE)


CORE: tuple[str, ...] = tuple(name for name, task in EXTENDED.items() if task.core)


CORE_SETS: dict[str, tuple[str, ...]] = {
    "core": CORE,
    # What can be scored from the task files without SQuAD and CoQA.
    "core20": tuple(name for name in CORE if name not in ("squad", "coqa")),
    # The set of arXiv:2510.10681, inferred from the sizes of its categories: the paper only says that commonsense_qa
    # was dropped. Which baselines it used is not known.
    "core_repro": (*(name for name in CORE if name != "commonsense_qa"), "mmlu_fewshot"),
}
