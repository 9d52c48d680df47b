"""A float field per document."""
