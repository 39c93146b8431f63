"""The declared version of a database's content."""
