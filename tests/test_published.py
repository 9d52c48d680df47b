"""Constants and defaults that come from a paper or its released code: each against its number, typed in from there.

A row says where the value lies in the code, what it has to be and who says so. One changed digit fails here.
"""

import importlib
from itertools import starmap

import pytest

from common.config import load, read_yaml

REPRO, RLPR, VR_CLI, PROCESS = "arXiv:2510.10681", "arXiv:2506.18254", "arXiv:2503.22828", "arXiv:2512.01925"
DCLM, GURU, DAPO = "arXiv:2406.11794", "arXiv:2506.14965", "arXiv:2503.14476"

DEFAULTS = [
    # the web rephraser
    ("rl.rewards.rephrase.SemanticConfig.threshold", 0.65, REPRO),
    ("rl.rewards.rephrase.SemanticConfig.layer", 18, REPRO),
    ("rl.rewards.rephrase.SemanticConfig.model", "microsoft/deberta-large-mnli", REPRO),
    ("rl.rewards.rephrase.LengthConfig.max_ratio", 1.25, REPRO),
    ("rephrase.text.prompts.SENTINEL", "Here is a paraphrased version:", REPRO),
    ("rephrase.text.prompts.NO_THINK", " /no_think", REPRO),
    ("rephrase.text.chunking.MAX_CHARS", 7_000, REPRO),
    ("rephrase.text.chunking.MIN_TAIL", 500, "ours"),
    ("rephrase.config.RephraseConfig.max_new_tokens", 2048, REPRO),
    ("rephrase.config.RephraseConfig.temperature", 1.0, REPRO),
    ("rephrase.config.RephraseConfig.top_p", 0.9, REPRO),
    ("rephrase.config.RephraseConfig.seed", 42, REPRO),
    ("eval.judges.judge.JudgeConfig.max_tokens", 8, REPRO),
    ("eval.judges.judge.JudgeConfig.temperature", 0.0, REPRO),
    ("eval.judges.judge.JudgeConfig.seed", 1024, REPRO),
    ("filter.scorers.dataman.DataManConfig.model", "RuPeng/DataMan-1.5B-EN", REPRO),
    ("filter.scorers.dataman.DataManConfig.max_chars", 20_000, REPRO),
    ("filter.scorers.dataman.DataManConfig.max_tokens", 1_894, REPRO),
    ("filter.scorers.dataman.DataManConfig.seed", 1024, REPRO),
    ("filter.scorers.dataman.ANSWER_TOKENS", 29, "15 lines of one token and 14 line ends"),
    ("filter.scorers.dataman.STOP_IDS", (151643, 151645), "Qwen2's end of text and of turn"),
    ("filter.scorers.dataman.DOMAINS", "ABCDEFGHIJKLMNO", "DataMan: 15 domains"),
    ("rl.rewards.pairs.PairRewardConfig.score_truncated", False, "ours; the released code: True"),
    ("rl.rewards.pairs.ComparedConfig.against", "text", REPRO),
    ("rl.grpo.config.RLConfig.num_generations", 8, REPRO),
    ("rl.grpo.config.RLConfig.prompts_per_step", 24, REPRO),
    ("rl.grpo.config.RLConfig.max_steps", 2000, REPRO),
    ("rl.grpo.config.RLConfig.learning_rate", 1e-6, REPRO),
    ("rl.grpo.config.RLConfig.warmup_frac", 0.1, REPRO),
    ("rl.grpo.config.RLConfig.min_lr_frac", 0.1, REPRO),
    ("rl.grpo.config.RLConfig.beta", 0.005, REPRO),
    ("rl.grpo.config.RLConfig.epsilon", 0.2, REPRO),
    ("rl.grpo.config.RLConfig.advantage_eps", 1e-4, "TRL"),
    ("rl.grpo.config.RLConfig.temperature", 1.0, REPRO),
    ("rl.grpo.config.RLConfig.top_p", 0.9, REPRO),
    ("rl.grpo.config.RLConfig.max_prompt_length", 2048, REPRO),
    ("rl.grpo.config.RLConfig.max_completion_length", 2048, REPRO),
    ("rl.grpo.config.RLConfig.eval_steps", 30, REPRO),
    ("rl.grpo.config.RLConfig.save_steps", 60, REPRO),
    ("rl.grpo.config.RLConfig.seed", 42, REPRO),
    ("rl.sft.config.SFTRunConfig.learning_rate", 5e-5, REPRO),
    ("rl.sft.config.SFTRunConfig.warmup_frac", 0.03, REPRO),
    ("rl.sft.config.SFTRunConfig.max_length", 8192, REPRO),
    ("rl.sft.config.SFTRunConfig.max_grad_norm", 0.2, REPRO),
    ("rl.sft.config.SFTRunConfig.per_device_train_batch_size", 4, REPRO),
    ("rl.sft.config.SFTRunConfig.gradient_accumulation_steps", 2, REPRO),
    # rewards by likelihood
    ("rl.rewards.reference.ReferenceProbabilityConfig.reduce", "mean_p", RLPR),
    ("rl.rewards.reference.ReferenceProbabilityConfig.format_weight", 0.1, RLPR),
    ("rl.rewards.reference.LONGEST_FOR_PROBABILITY", 32, "ours"),
    ("rl.rewards.general.RepetitionConfig.words", 10, RLPR),
    ("rl.rewards.general.RepetitionConfig.times", 10, RLPR),
    ("rl.rewards.general.RepetitionConfig.penalty", -1.0, RLPR),
    ("rl.grpo.std_filter.StdFilterConfig.beta", 0.5, RLPR),
    ("rl.grpo.std_filter.StdFilterConfig.ema", 0.99, RLPR),
    ("rl.grpo.std_filter.StdFilterConfig.record_from", 6, RLPR),
    ("rl.grpo.std_filter.StdFilterConfig.filter_from", 11, RLPR),
    ("rl.grpo.std_filter.StdFilterConfig.max_rounds", 8, "ours"),
    ("rl.rewards.completion.CompletionGainConfig.shape.edges", (0.05, 1.0, 2.0), VR_CLI),
    ("rl.rewards.completion.CompletionGainConfig.shape.values", (0.0, 0.5, 0.9, 1.0), VR_CLI),
    ("rl.rewards.completion.CompletionGainConfig.score_closers", True, VR_CLI),
    ("rl.rewards.completion.CompletionGainConfig.plan_missing", "whole", VR_CLI),
    ("eval.story.plans.MARKERS", ("In summary:", "In summary,", "Detailed Plan:"), VR_CLI),
    ("eval.story.generate.ReasonConfig.max_tokens", 2048, VR_CLI),
    ("eval.story.generate.ReasonConfig.temperature", 0.7, VR_CLI),
    ("eval.story.generate.ReasonConfig.top_p", 0.8, VR_CLI),
    ("eval.story.generate.ReasonConfig.top_k", 20, VR_CLI),
    ("eval.story.generate.ContinueConfig.min_length", 0.5, VR_CLI),
    ("eval.story.generate.ContinueConfig.max_length", 1.5, VR_CLI),
    ("eval.story.generate.ContinueConfig.repetition_penalty", 1.05, VR_CLI),
    ("eval.story.improvement.ImprovementConfig.baseline", "no_plan", VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.last_n", 1, VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.min_chapter_words", 200, VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.max_chapter_words", 5000, VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.max_prompt_words", 10_000, VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.max_prompt_tokens", 12_000, VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.first_chapter", 2, VR_CLI),
    ("rl.data.story.datapoints.StoryConfig.last_dropped", 2, VR_CLI),
    ("rl.data.story.notes.CHARACTERS", 3, VR_CLI),
    ("rl.data.story.notes.SHORT", 200, VR_CLI),
    ("rl.data.story.notes.SHARE", 0.8, VR_CLI),
    ("rl.data.story.notes.MOST_PLOT", 4096, VR_CLI),
    ("rl.data.story.notes.MOST_SHEET", 2048, VR_CLI),
    ("rl.rewards.process.ProcessConfig.k", 20, PROCESS),
    ("rl.rewards.process.ProcessConfig.w", 0.1, "ours; unpublished"),
    ("rl.rewards.process.ProcessConfig.v_floor", 0.01, "ours"),
    ("rl.rewards.process.ProcessConfig.alpha", 0.05, PROCESS),
    ("rl.rewards.process.ProcessConfig.gamma", 1.0, PROCESS),
    ("rl.rewards.process.ProcessConfig.close_think", False, PROCESS),
    ("rl.rewards.general.OverlongConfig.buffer", 4096, DAPO),
    ("rl.rewards.general.OverlongConfig.factor", 1.0, DAPO),
    # Guru
    ("rl.data.rows.guru.SAMPLES", 16, GURU),
    ("rl.difficulty.rates.SamplerConfig.n", 16, GURU),
    ("rl.difficulty.rates.SamplerConfig.max_tokens", 4096, GURU),
    ("rl.difficulty.rates.SamplerConfig.top_p", 0.9, GURU),
    ("rl.difficulty.rates.SamplerConfig.top_k", 100, GURU),
    ("rl.rewards.verifiable.VerifiableConfig.max_infra", 0.05, "ours: 5 % over 3 steps"),
    ("rl.rewards.verifiable.VerifiableConfig.infra_steps", 3, "ours: 5 % over 3 steps"),
    ("eval.judges.panel.PanelConfig.model", "TIGER-Lab/general-verifier", GURU),
    ("eval.judges.panel.PanelConfig.timeout_s", 60.0, GURU),
    ("eval.judges.panel.PanelConfig.retries", 3, GURU),
    ("eval.judges.claims.MAX_CLAIMS", 20, "ours"),
    # filters
    ("filter.rules.gopher.STOP_WORDS", frozenset(["the", "be", "to", "of", "and", "that", "have", "with"]), DCLM),
    ("filter.rules.gopher.Length.min_words", 50, DCLM),
    ("filter.rules.gopher.Length.max_words", 100_000, DCLM),
    ("filter.rules.gopher.WordLength.low", 3, DCLM),
    ("filter.rules.gopher.WordLength.high", 10, DCLM),
    ("filter.rules.gopher.Symbols.max_ratio", 0.1, DCLM),
    ("filter.rules.gopher.LineMarks.max_bullet_frac", 0.9, DCLM),
    ("filter.rules.gopher.LineMarks.max_ellipsis_frac", 0.3, DCLM),
    ("filter.rules.gopher.Letters.max_without_frac", 0.2, DCLM),
    ("filter.rules.gopher.StopWords.minimum", 2, DCLM),
    ("filter.rules.repetition.Repetition.lines", 0.3, DCLM),
    ("filter.rules.repetition.Repetition.paragraphs", 0.3, DCLM),
    ("filter.rules.repetition.Repetition.line_characters", 0.2, DCLM),
    ("filter.rules.repetition.Repetition.paragraph_characters", 0.2, DCLM),
    ("filter.rules.repetition.Repetition.top_ngrams", {2: 0.20, 3: 0.18, 4: 0.16}, DCLM),
    (
        "filter.rules.repetition.Repetition.repeated_ngrams",
        {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10},
        DCLM,
    ),
    ("filter.duplicates.config.MinHashDedup.ngram", 5, "datatrove"),
    ("filter.duplicates.config.MinHashDedup.bands", 14, "datatrove"),
    ("filter.duplicates.config.MinHashDedup.rows", 8, "datatrove"),
    ("filter.duplicates.config.NgramDedup.ngram", 13, DCLM),
    ("filter.duplicates.config.NgramDedup.threshold", 0.8, DCLM),
    ("filter.duplicates.config.NgramDedup.fp_rate", 0.01, DCLM),
    ("filter.contamination.config.DecontaminateConfig.ngram", 13, "arXiv:2005.14165"),
    ("filter.contamination.config.DecontaminateConfig.min_words", 8, "ours"),
    ("filter.contamination.config.DecontaminateConfig.max_pages", 10, "arXiv:2005.14165"),
    ("filter.rules.pages.Language.above", 0.65, DCLM),
    ("filter.rules.pages.RemovedWords.max_frac", 0.05, DCLM),
    ("filter.rules.pages.Characters.maximum", 190_000, "C4"),
    ("filter.rules.pages.Sentences.minimum", 3, "C4"),
    ("filter.rules.lines.RefinedWebLines.max_uppercase_frac", 0.5, DCLM),
    ("filter.rules.lines.RefinedWebLines.max_digit_frac", 0.999999, DCLM),
    ("filter.rules.lines.RefinedWebLines.min_words", 2, DCLM),
    ("filter.rules.lines.RefinedWebLines.scraps_max_words", 10, DCLM),
    ("filter.rules.lines.C4Lines.max_word_characters", 1000, "C4"),
    ("filter.rules.lines.C4Lines.min_words", 5, "C4"),
    ("rephrase.text.postprocess.MAX_DUPLICATES", 0.3, "ours"),
    ("rephrase.text.postprocess.ORGANIC_DUPLICATES", 0.1, "ours"),
    # pretraining and CORE
    ("pretrain.training.config.PretrainConfig.beta1", 0.9, "open_lm"),
    ("pretrain.training.config.PretrainConfig.beta2", 0.95, "open_lm"),
    ("pretrain.training.config.PretrainConfig.eps", 1e-8, "open_lm"),
    ("pretrain.training.config.PretrainConfig.grad_clip", 1.0, "open_lm"),
    ("pretrain.training.config.PretrainConfig.seed", 124, "open_lm"),
    ("pretrain.training.config.PretrainConfig.num_checkpoints", 5, DCLM),
    ("pretrain.model.config.ModelConfig.norm_eps", 1e-5, "open_lm"),
    ("pretrain.model.config.ModelConfig.rope_theta", 10_000.0, "open_lm"),
    ("pretrain.model.config.ModelConfig.seq_len", 2048, "open_lm"),
    ("pretrain.model.config.VOCABULARY", 50_432, "open_lm"),
    ("pretrain.tokenising.config.TokenizeConfig.shard_rows", 8192, DCLM),
    ("pretrain.tokenising.config.TokenizeConfig.seq_len", 2048, DCLM),
    ("pretrain.tokenising.config.TokenizeConfig.seed", 1234, DCLM),
    ("eval.core.prompts.SHOT_SEED", 1234, "LLM Foundry"),
]

SHOTS = {  # LLM Foundry's and DCLM's table: shots, rows of the whole file
    "hellaswag_zeroshot": (0, 10042),
    "hellaswag": (10, 10042),
    "jeopardy": (10, 2117),
    "bigbench_qa_wikidata": (10, 20321),
    "arc_easy": (10, 2376),
    "arc_challenge": (10, 1172),
    "copa": (0, 100),
    "commonsense_qa": (10, 1221),
    "piqa": (10, 1838),
    "openbook_qa": (0, 500),
    "lambada_openai": (0, 5153),
    "winograd": (0, 273),
    "winogrande": (0, 1267),
    "bigbench_dyck_languages": (10, 1000),
    "agi_eval_lsat_ar": (3, 230),
    "bigbench_cs_algorithms": (10, 1320),
    "bigbench_operators": (10, 210),
    "bigbench_repeat_copy_logic": (10, 32),
    "squad": (10, 10570),
    "coqa": (0, 7983),
    "boolq": (10, 3270),
    "bigbench_language_identification": (10, 10000),
    "mmlu_fewshot": (5, 14042),
}
WITH_ANSWER = {"jeopardy", "arc_easy", "arc_challenge", "piqa", "boolq", "mmlu_fewshot"}
CHANCE = {  # percent, v1 and v2
    "hellaswag_zeroshot": (25, 25), "jeopardy": (0, 0), "arc_easy": (25, 25), "copa": (50, 50), "squad": (0, 0),
    "commonsense_qa": (20, 40.3), "agi_eval_lsat_ar": (20, 25), "boolq": (62, 62), "coqa": (0, 0),
    "bigbench_language_identification": (9.1, 25), "winograd": (50, 50), "piqa": (50, 50), "openbook_qa": (25, 25),
}  # fmt: skip

GURU_RUN = {
    "num_generations": 16, "prompts_per_step": 64, "updates_per_generation": 8, "learning_rate": 1e-6,
    "weight_decay": 0.1, "max_grad_norm": 1.0, "beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.2, "loss_type": "dapo",
    "temperature": 1.0, "top_p": 1.0, "max_prompt_length": 4096, "max_completion_length": 8192, "trl.delta": 10.0,
}  # fmt: skip
RLPR_RUN = {
    "learning_rate": 1e-6, "beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.27, "loss_type": "dapo", "num_generations": 8,
    "advantage_eps": 1e-6, "updates_per_generation": 4, "max_completion_length": 3072, "trl.entropy_coef": 0.001,
    "trl.vllm_tensor_parallel_size": 2, "lr_schedule": "constant", "std_filter.ema": 0.99,
}  # fmt: skip
STORY_RUN = {
    "learning_rate": 5e-7, "min_lr_frac": 0.1, "warmup_frac": 0.03, "weight_decay": 0.0, "beta": 1e-6, "epsilon": 0.2,
    "loss_type": "grpo", "temperature": 1.0, "top_p": 1.0, "eval_temperature": 0.7, "eval_top_p": 0.8,
    "max_completion_length": 2048, "data.max_prompt_tokens": 12000, "trl.adam_beta1": 0.9, "trl.adam_beta2": 0.95,
    "rewards.0.baseline": "no_plan", "rewards.0.shape.edges": [0.05, 1, 2],
    "rewards.0.shape.values": [0, 0.5, 0.9, 1.0],
}  # fmt: skip
RECIPES = {
    "rl/rlpr_qwen2.5_7b": RLPR_RUN | {
        "prompts_per_step": 192, "std_filter.beta": 0.5, "temperature": 1.0, "data.prompt": "R1",
        "data.max_prompt_tokens": 2048, "max_steps": 320 * 4,
    },
    "rl/rlpr_llama3.1_8b": RLPR_RUN | {
        "prompts_per_step": 64, "std_filter.beta": 0.9, "temperature": 0.6, "eval_top_p": 0.95,
        "data.prompt": "R1_nothink", "data.max_prompt_tokens": 2048,
    },
    "rl/rlpr_gemma2_2b": RLPR_RUN | {
        "prompts_per_step": 64, "std_filter.beta": 1.0, "temperature": 0.6, "eval_top_p": 0.95,
        "data.prompt": "R1_nothink", "data.max_prompt_tokens": 1024,
    },
    "rl/story_qwen2.5_3b": STORY_RUN | {"num_generations": 16, "prompts_per_step": 4, "updates_per_generation": 16},
    "rl/story_qwen2.5_7b": STORY_RUN | {"num_generations": 8, "prompts_per_step": 8, "updates_per_generation": 8},
    "rl/guru_qwen2.5_7b": GURU_RUN | {"trl.vllm_tensor_parallel_size": 1},
    "rl/guru_qwen2.5_32b": GURU_RUN | {"trl.vllm_tensor_parallel_size": 4},
    "rl/process_r1_distill_1.5b": {
        "prompts_per_step": 256, "num_generations": 8, "max_steps": 500, "learning_rate": 1e-6, "beta": 0.001,
        "epsilon": 0.2, "epsilon_high": 0.28, "warmup_frac": 20 / 500, "eval_temperature": 0.6, "eval_top_p": 0.95,
        "num_generations_eval": 16, "eval_steps": 20, "save_steps": 20, "max_completion_length": 32768,
    },
    "rl/rephraser_qwen3_4b_paper": {
        "data.rows": 41000, "data.eval_rows": 128, "data.max_chars": 7000, "rewards.1.threshold": 0.65,
        "rewards.1.layer": 18, "rewards.3.max_ratio": 1.25, "rewards.3.min_ratio": 0, "reward_weights": [3, 1, 1, 1, 1],
        "loss_type": "bnpo",
    },
    "filter/repro": {
        "sources.0.select.threshold": 0.018112, "sources.1.select.tokens": 14.4e9, "training_tokens": 28.8e9,
    },
    "pretrain/scales/411m_1x": {"global_bs": 512, "acc": 8, "lr": 3e-3, "cd": 3e-5, "warmup": 2000, "wd": 0.033,
                                "z_loss": 1e-4, "precision": "amp_bf16"},
    "pretrain/scales/1b_1x": {"global_bs": 256, "lr": 3e-3, "cd": 3e-5, "warmup": 5000, "wd": 0.033, "z_loss": 1e-4,
                              "precision": "amp_bf16"},
    "pretrain/scales/3b_1x": {"global_bs": 256, "lr": 3e-3, "cd": 3e-5, "warmup": 5000, "wd": 0.033, "z_loss": 1e-4,
                              "precision": "bf16_reduce"},
    "pretrain/scales/7b_1x": {"global_bs": 2048, "acc": 2, "lr": 2e-3, "cd": 3e-5, "warmup": 5000, "wd": 0.05,
                              "z_loss": 5e-6, "precision": "bf16_reduce"},
    "pretrain/scales/7b_2x": {"global_bs": 2048, "acc": 2, "lr": 2e-3, "cd": 3e-5, "warmup": 5000, "wd": 0.05,
                              "z_loss": 5e-6, "precision": "bf16_reduce", "chinchilla_multiplier": 2},
    "pretrain/models/d=1024_l=24_h=8": {"dim": 1024, "layers": 24, "heads": 8},
    "pretrain/models/open_lm_1b_swiglutorch": {"dim": 2048, "layers": 24, "heads": 16},
    "pretrain/models/open_lm_3b_swiglutorch": {"dim": 2560, "layers": 32, "heads": 32},
    "pretrain/models/open_lm_7b_swiglutorch": {"dim": 4096, "layers": 32, "heads": 32},
}  # fmt: skip


def value_at(path):
    """A module's constant, or a config class's default; further names are the default's own fields."""
    parts = path.split(".")
    at = next(number for number, part in enumerate(parts) if not part.islower() or part[0] == "_")
    found = getattr(importlib.import_module(".".join(parts[:at])), parts[at])
    for name in parts[at + 1 :]:
        fields = getattr(found, "model_fields", {}) if isinstance(found, type) else {}
        found = fields[name].get_default(call_default_factory=True) if name in fields else getattr(found, name)
    return tuple(found) if isinstance(found, list) else found


@pytest.mark.parametrize(("path", "value", "source"), DEFAULTS, ids=[row[0] for row in DEFAULTS])
def test_a_default_is_the_published_number(path, value, source):
    assert value_at(path) == value, f"{path}: {source} has {value}"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_published_numbers(root, name):
    given = read_yaml((root / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
    for key, value in RECIPES[name].items():
        found = given
        for part in key.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
        assert found == value, f"{name}: {key} is {found}, published: {value}"


def test_cores_shots_rows_and_delimiters_are_the_published_ones():
    from eval.core.entries import ENTRIES

    assert {name: (entry.shots, entry.rows) for name, entry in ENTRIES.items()} == SHOTS
    assert {name for name, entry in ENTRIES.items() if entry.delimiter == "\nAnswer: "} == WITH_ANSWER
    assert {entry.delimiter for name, entry in ENTRIES.items() if name not in WITH_ANSWER} == {" "}


def test_cores_chance_levels_are_the_published_ones():
    from eval.core.baselines import CORE, EXTENDED

    assert {name: tuple(EXTENDED[name].baseline[version] for version in ("v1", "v2")) for name in CHANCE} == CHANCE
    assert len(CORE) == 22 and len(EXTENDED) == 53


@pytest.mark.parametrize(
    ("scale", "tokens", "steps"),
    [
        ("411m_1x", 8_232_325_120, 7_850),
        ("1b_1x", 28_795_904_000, 54_923),
        ("3b_1x", 55_918_643_200, 106_656),
        ("7b_1x", 137_788_211_200, 32_851),
        ("7b_2x", 275_576_422_400, 65_702),
    ],
)
def test_a_scales_steps_are_those_of_its_published_tokens(root, scale, tokens, steps):
    from pretrain.training.config import PretrainConfig, total_steps

    given = read_yaml((root / "configs" / "pretrain" / "scales" / f"{scale}.yaml").read_text(encoding="utf-8"))
    checkpoints = PretrainConfig.model_fields["num_checkpoints"].default
    assert total_steps(tokens, 2048, given["global_bs"], checkpoints) == steps


def test_the_presets_of_algorithms_are_the_published_ones():
    from rl.grpo.algorithms import PRESETS

    assert PRESETS["dapo"]["epsilon_high"] == 0.28 and PRESETS["dapo"]["epsilon"] == 0.2
    assert PRESETS["dapo"]["loss_type"] == "dapo" and PRESETS["grpo"]["loss_type"] == "grpo"
    assert [PRESETS[name]["centre"] for name in ("rloo", "reinforce_pp")] == ["leave_one_out", "batch"]
    assert [PRESETS[name]["scale"] for name in ("dr_grpo", "rloo", "reinforce_pp_baseline")] == [
        "none",
        "none",
        "batch",
    ]


def test_guru_rules_are_the_published_ones():
    from rl.difficulty.predicates import PREDICATES, Rate, RatePair

    def dropped(rule, weak, strong, domain="math"):
        return PREDICATES[rule](RatePair(domain, Rate(16, weak), Rate(16, strong)))

    assert [dropped("too_easy", weak, 16) for weak in (14, 15)] == [False, True]
    assert [dropped("noisy", 0, strong) for strong in (0, 1)] == [True, False]
    assert [dropped("math_small_gap", 6, strong) for strong in (11, 12, 13)] == [False, True, False]
    assert [dropped("science_small_gap", 4, strong, "stem") for strong in (11, 12)] == [True, False]
    assert [dropped("released_low_high", weak, 8) for weak in (14, 15)] == [False, True]


def test_a_weighted_reward_of_the_paper_is_its_total():  # D 3 -> 5, all else passed: 3 x 2 + 4
    from rl.grpo.config import RLConfig

    config = load(RLConfig, ["configs/rl/rephraser_qwen3_4b.yaml"])
    assert sum(starmap(float.__mul__, zip(config.reward_weights, (2.0, 1.0, 1.0, 1.0, 1.0), strict=True))) == 10
