"""Training tokens of the pretraining scales, so that a pool can be cut to what a scale needs.

`pretrain` computes them (20 per published parameter, times DCLM's multiplier, or as its scale file says); this package
does not import it, so they stand here, and a test compares the two.
"""

SCALE_TOKENS = {
    "smoke": 40_960,
    "tiny": 200_000,
    "quickstart": 600_000,
    "30m": 618_726_400,
    "80m": 1_578_280_960,
    "411m_1x": 8_232_325_120,
    "1b_1x": 28_795_904_000,
    "3b_1x": 55_918_643_200,
    "7b_1x": 137_788_211_200,
    "7b_2x": 275_576_422_400,
    "1b_1x_fast": 28_795_904_000,
    "3b_1x_fast_3e-3_lr_1e-4_zloss": 55_918_643_200,
    "7b_1x_fast_2e-3_lr_5e-6_zloss": 137_788_211_200,
    "7b_2x_fast_2e-3_lr_5e-6_zloss": 275_576_422_400,
}
"""Name in configs/pretrain/scales, or DCLM's → tokens (arXiv:2406.11794)."""


def scale_tokens(name: str) -> int:
    """Tokens that a scale trains on.

    Raises:
        ValueError: no such scale; names those there are.

    >>> scale_tokens("411m_1x")
    8232325120
    """
    if name not in SCALE_TOKENS:
        raise ValueError(f"no scale {name!r}; there are {', '.join(SCALE_TOKENS)}")
    return SCALE_TOKENS[name]
