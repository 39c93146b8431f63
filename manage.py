#!/usr/bin/env python
"""Every command of the console: `manage.py help`."""

import os
import sys

from opsconsole import loading

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
    with loading.at_once():
        import django
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        try:
            django.setup()
        except ImproperlyConfigured as error:
            sys.exit(f"The console's settings do not fit: {error}")
    execute_from_command_line(sys.argv)
