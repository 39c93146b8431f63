"""The kinds of operation of this app, one verb a file."""
