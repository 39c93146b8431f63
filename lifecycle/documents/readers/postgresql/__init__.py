"""What pg_dump writes, read without running any of it."""
