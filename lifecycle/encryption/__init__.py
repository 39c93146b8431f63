"""Whose keys open backups: recipients, private keys handed over, the recovery kit."""
