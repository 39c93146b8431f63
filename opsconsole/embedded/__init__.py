"""Servers that the console starts itself when nothing is configured: Redis as broker, PostgreSQL for the demo and tests."""
