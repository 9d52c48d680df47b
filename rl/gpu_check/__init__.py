"""What only a GPU machine can show: speed and equal numbers of pretraining, scoring, rollouts, inference and GRPO."""
