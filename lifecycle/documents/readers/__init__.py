"""Readers of what others write, one format a module. `lifecycle.documents.known` is the table of them."""
