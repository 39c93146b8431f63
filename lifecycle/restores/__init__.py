"""Putting content in the place of what is there: whole copies, documents, what is kept for a way back."""
