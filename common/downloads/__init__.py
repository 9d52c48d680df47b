"""Data sets, models and task files that others publish: what there is, and how it comes here."""
