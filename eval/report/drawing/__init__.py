"""Charts as plain SVG, their data as CSV, and which colour stands for what; no script."""
