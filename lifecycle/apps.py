"""Registers what this app adds to the kernel: its kinds of operation."""

from django.apps import AppConfig


class LifecycleConfig(AppConfig):
    name = "lifecycle"
    verbose_name = "Backups and restores"

    def ready(self) -> None:
        from lifecycle.registration import register_all

        register_all()
