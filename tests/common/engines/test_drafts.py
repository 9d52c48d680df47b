"""The choice of drafts: taken where they pay at the run's concurrency, by batch size where only small batches gain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import RunConfig, config_hash, load
from common.engines.config import EngineConfig, VLLMEngineConfig
from common.engines.drafts import FLOOR, DraftsFailed, Speeds, choose, from_record, to_record, vllm_setting

AUTO = VLLMEngineConfig(speculation="auto", max_num_seqs=512)


def by_setting(off, ngram, suffix=(0, 0), scheduled=0):
    """A measurement that looks its figures up."""

    def measure(setting):
        if setting.draft_schedule:
            return Speeds(scheduled, 0, 512)
        return Speeds(*{"off": off, "ngram": ngram, "suffix": suffix}[setting.speculation], 512)

    return measure


@pytest.mark.parametrize(
    ("off", "ngram", "suffix", "scheduled", "by_batch_size", "chosen", "schedule"),
    [
        ((100, 10), (130, 20), (120, 30), 0, True, "ngram", []),
        ((100, 10), (130, 20), (150, 30), 0, True, "suffix", []),
        ((100, 10), (101, 20), (90, 10), 99, True, "off", []),  # within what two measurements differ by
        ((100, 10), (70, 20), (60, 10), 100, True, "ngram", [(1, 32, 5), (33, 512, 0)]),
        ((100, 10), (70, 20), (60, 30), 99, True, "off", []),  # the schedule itself costs something
        ((100, 10), (70, 20), (60, 10), 200, False, "off", []),
        ((100, 10), (70, 9), (60, 8), 200, True, "off", []),
    ],
)
def test_drafts_are_taken_only_where_they_are_clearly_faster(
    off, ngram, suffix, scheduled, by_batch_size, chosen, schedule
):
    found = choose(AUTO, ["ngram", "suffix"], by_batch_size, by_setting(off, ngram, suffix, scheduled))
    assert found.engine.speculation == chosen
    assert [tuple(step) for step in found.engine.draft_schedule] == schedule
    assert not found.engine.wants_probe


RATE = st.floats(1, 1000)


@given(st.tuples(RATE, RATE), st.tuples(RATE, RATE), RATE, st.booleans())
def test_the_choice_is_never_slower_at_the_runs_concurrency_than_the_floor(off, ngram, scheduled, by_batch_size):
    found = choose(AUTO, ["ngram"], by_batch_size, by_setting(off, ngram, scheduled=scheduled))
    speed = scheduled if found.engine.draft_schedule else {"off": off, "ngram": ngram}[found.engine.speculation][0]
    assert speed >= FLOOR * off[0]


def test_a_kind_that_this_build_cannot_run_is_passed_over_and_named():
    def measure(setting):
        if setting.speculation == "ngram":
            raise DraftsFailed("TypeError: no kernel")
        return Speeds(100, 10, 512) if setting.speculation == "off" else Speeds(200, 20, 512)

    found = choose(AUTO, ["ngram", "suffix"], True, measure)
    assert found.engine.speculation == "suffix" and found.failed == {"ngram": "TypeError: no kernel"}
    assert choose(AUTO, ["ngram"], True, measure).engine.speculation == "off"


def test_where_no_kind_can_run_there_are_no_drafts():
    assert choose(AUTO, [], True, by_setting((1, 1), (2, 2))).engine.speculation == "off"


def test_a_kept_choice_comes_back_and_only_for_its_run():
    found = choose(AUTO, ["ngram"], True, by_setting((100, 10), (70, 20), scheduled=100))
    kept = to_record(found, "abc", seconds=1.0)
    assert from_record(AUTO, kept, "abc", "file") == found.engine
    assert kept["tokens_per_s"]["off"] == {"full": 100, "small": 10} and kept["batch"] == 512
    with pytest.raises(ValueError, match="file was measured for other settings"):
        from_record(AUTO, kept, "abd", "file")
    with pytest.raises(ValueError, match="file holds no choice"):
        from_record(AUTO, {}, "abc", "file")


def test_the_hash_takes_the_choice_and_is_as_before_without_drafts():
    class Stage(RunConfig):
        """A stage with an engine."""

        engine: EngineConfig = VLLMEngineConfig()

    def hash_of(**fields):
        return config_hash(Stage(engine=VLLMEngineConfig(**fields)))

    assert hash_of() == hash_of(speculation="off")
    several = [hash_of(), hash_of(speculation="ngram"), hash_of(speculation="suffix"), hash_of(speculation="auto")]
    several += [hash_of(speculation="ngram", draft_tokens=3)]
    several += [hash_of(speculation="ngram", draft_schedule=[(1, 8, 5), (9, 64, 0)])]
    assert len(set(several)) == 6


def test_drafts_are_named_for_vllm():
    assert vllm_setting(VLLMEngineConfig()) == {}
    ngram = vllm_setting(VLLMEngineConfig(speculation="ngram", draft_schedule=[(1, 8, 5), (9, 64, 0)]))
    assert ngram["speculative_config"] == {
        "method": "ngram",
        "num_speculative_tokens": 5,
        "prompt_lookup_min": 2,
        "prompt_lookup_max": 4,
        "num_speculative_tokens_per_batch_size": [[1, 8, 5], [9, 64, 0]],
    }
    with pytest.raises(ValueError, match="here give off, ngram or suffix"):
        vllm_setting(AUTO)
    with pytest.raises(ValueError, match="not both"):
        load(VLLMEngineConfig, [], {"speculation": "ngram", "options": {"speculative_config": {"method": "ngram"}}})
