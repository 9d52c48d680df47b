"""Read eval/published/*.json: the papers' cells, each with source and setting."""

from typing import NamedTuple


class Published(NamedTuple):
    """A CORE score from a paper or a public record; None where only one version is known."""

    v1: float | None
    v2: float | None
    source: str


_RECORD = "record of DCLM, arXiv:2406.11794"


_REPRO = "arXiv:2510.10681, its own 22 entries, baselines not stated"


PUBLISHED: dict[str, Published] = {
    "411m_c4": Published(0.1310, 0.1073, _RECORD),
    "411m_dolma": Published(0.1360, 0.1116, _RECORD),
    "411m_refinedweb_fasttext": Published(0.180, 0.158, _RECORD),
    "411m_fineweb_edu": Published(0.183, 0.159, _RECORD),
    "1b_1x_redpajama": Published(0.2570, 0.2310, _RECORD),
    "1b_1x_semdedup": Published(0.2714, 0.2465, _RECORD),
    "olmo_1b": Published(0.2972, 0.2723, _RECORD),
    "1b_5x_refinedweb": Published(0.3139, 0.2912, _RECORD),
    "1b_5x_fineweb_edu": Published(0.3379, 0.3118, _RECORD),
    "1b_5x_refinedweb_fasttext": Published(0.3605, 0.3348, _RECORD),
    "7b_1x_refinedweb_fasttext": Published(0.4466, 0.4255, _RECORD),
    "llama_1_7b": Published(0.4626, 0.4414, _RECORD),
    "deepseek_7b": Published(0.5072, 0.4914, _RECORD),
    "mistral_7b": Published(0.5743, 0.5623, _RECORD),
    "dclm_7b": Published(0.571, 0.560, _RECORD),
    "repro_400m_organic": Published(0.1899, None, _REPRO),
    "repro_400m_rewire": Published(0.2013, None, _REPRO),
    "repro_400m_recycled": Published(0.2166, None, _REPRO),
    "repro_1.4b_organic": Published(0.2858, None, _REPRO),
    "repro_1.4b_rewire": Published(0.2903, None, _REPRO),
    "repro_1.4b_recycled": Published(0.2993, None, _REPRO),
}
