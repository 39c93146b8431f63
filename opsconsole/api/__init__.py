"""The HTTP API: a table of endpoints for programs, each asked with a token of ours."""
