"""Whether a backup is what it says: stored bytes, a read through, a drill, and what was found."""
