"""Servers that the console starts itself: Redis as broker when none is configured, PostgreSQL for demo and tests."""
