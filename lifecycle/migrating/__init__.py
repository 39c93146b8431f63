"""Applying migrations: bringing folders, planning, running units, telling what a ledger says."""
