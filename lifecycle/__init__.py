"""What we do to databases: one kind of operation a file, one backup format a file."""
