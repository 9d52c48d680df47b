"""Training policies: SFT, GRPO and the rewards."""
