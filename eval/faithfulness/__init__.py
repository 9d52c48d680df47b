"""What a rephrasing kept (the one room of eval that filter and rephrase may enter)."""
