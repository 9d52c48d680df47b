"""One file per section: stages in, HTML out."""
