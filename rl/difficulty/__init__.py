"""How hard is a question: pass rates of a weak and a strong model, and which questions to keep by them."""
