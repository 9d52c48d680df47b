"""Mathematics as people write it in LaTeX: cleaned, read, evaluated exactly, compared. Nothing is executed."""
