"""Measurement: likelihoods, CORE, faithfulness, reports."""
