"""From a page to chunks and prompts, and from completions back to a page."""
