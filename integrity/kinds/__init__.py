"""The kinds of operations of this app, one verb a file."""
