"""Schedules: when something is due (`times`), which count (`standing`), and starting what is due (`due`)."""
