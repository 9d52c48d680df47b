"""Is a chunk's rephrasing faithful enough to go on?"""
