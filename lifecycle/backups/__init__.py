"""Backups: taking them, listing them, finding them, handing them out."""
