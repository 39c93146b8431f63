"""The admin site's app; programs that show no page do without it (see loading.py)."""

from importlib import import_module

from django.contrib.admin import apps as admin


class ConsoleAdminConfig(admin.AdminConfig):
    default_site = "opsconsole.admin.site.ConsoleSite"
    default = False

    def ready(self) -> None:
        """Load our classes before anybody asks for the site: making it loads their package, and would make it twice."""
        import_module("opsconsole.admin")
        super().ready()
