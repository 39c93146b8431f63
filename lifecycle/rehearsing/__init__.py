"""Trying migrations on a copy: what the very units of a plan do to the rows, the schema and the locks of a database."""
