"""Commands of backups and restores."""
