"""One self-contained page about any runs."""
