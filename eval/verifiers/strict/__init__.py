"""The default verifiers, one module per domain: nothing is guessed, nothing of a completion is evaluated."""
