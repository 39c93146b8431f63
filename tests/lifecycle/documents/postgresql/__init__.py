"""Dumps of PostgreSQL are read equal to what the database holds."""
