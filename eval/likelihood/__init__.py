"""Log p(text | context)."""
