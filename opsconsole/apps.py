"""The kernel's app, and the admin site it brings."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class OpsConsoleConfig(AppConfig):
    name = "opsconsole"
    verbose_name = "Ops Console"
    default = True

    def ready(self) -> None:
        from opsconsole import checks, posture, signals  # noqa: F401 - importing checks registers them
        from opsconsole.scheduling import standing

        signals.connect()
        posture.register_reader(standing.read)


class ConsoleAdminConfig(admin.AdminConfig):
    default_site = "opsconsole.admin.site.ConsoleSite"
    default = False

    def ready(self) -> None:
        """Load our classes before anybody asks for the site: making it loads their package, and would make it twice."""
        import_module("opsconsole.admin")
        super().ready()
