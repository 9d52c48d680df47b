"""Published data sets, one module per domain."""
