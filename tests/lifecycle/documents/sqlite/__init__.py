"""Dumps and files of SQLite are read equal to what they hold, and harm nothing."""
