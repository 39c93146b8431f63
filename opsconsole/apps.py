"""The kernel's app, and the admin site it brings."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class OpsConsoleConfig(AppConfig):
    name = "opsconsole"
    verbose_name = "Ops Console"
    default = True

    def ready(self) -> None:
        from opsconsole import checks, signals  # noqa: F401 - importing checks registers them

        signals.connect()


class ConsoleAdminConfig(admin.AdminConfig):
    default_site = "opsconsole.admin.site.ConsoleSite"
    default = False
