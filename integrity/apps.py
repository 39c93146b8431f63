"""Registers what this app adds to the kernel: its kinds of operation, and what people see of them."""

from django.apps import AppConfig


class IntegrityConfig(AppConfig):
    name = "integrity"
    verbose_name = "Integrity"

    def ready(self) -> None:
        from integrity.registration import register_all

        register_all()
