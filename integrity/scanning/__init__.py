"""Answering all questions of checks and rules with as few passes over the data as possible."""
