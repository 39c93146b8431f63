"""Whether this host may work for the console, asked by every command that starts something which does."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db import OperationalError, ProgrammingError, connection

from opsconsole import installation
from opsconsole.exceptions import Refused
from opsconsole.management.console_command import not_ready


def require_fit_host() -> None:
    """Raises CommandError with what is missing and what to do. Leaves no connection for child processes to inherit."""
    try:
        installation.require_own()
    except Refused as refused:
        raise CommandError(str(refused)) from None
    except (OperationalError, ProgrammingError) as error:
        raise CommandError(str(not_ready(error))) from None
    finally:
        connection.close()
