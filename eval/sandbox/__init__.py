"""Runs programs that nobody trusts, within limits, and judges them from a process that they cannot reach."""
