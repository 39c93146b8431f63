"""Backups in several stores: their copies, and the list rebuilt from what a store holds."""
