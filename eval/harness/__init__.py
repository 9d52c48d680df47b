"""Other benchmarks, through lm-eval."""
