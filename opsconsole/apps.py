"""The kernel's app."""

from django.apps import AppConfig


class OpsConsoleConfig(AppConfig):
    name = "opsconsole"
    verbose_name = "Ops Console"
    default = True

    def ready(self) -> None:
        from opsconsole import checks, loading, signals  # noqa: F401 - importing checks registers them

        signals.connect()
        if loading.pages:
            self._prepare_pages()

    def _prepare_pages(self) -> None:
        from opsconsole import logins, posture
        from opsconsole.scheduling import standing

        logins.connect()
        posture.register_reader(standing.read)
