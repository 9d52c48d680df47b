"""Training data for policies, one module per domain."""
