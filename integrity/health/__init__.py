"""A small cheap look at every database, again and again."""
