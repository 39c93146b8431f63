"""What gunicorn serves. An insecure production setting keeps it from starting, whichever server loads it."""

import os

from opsconsole import loading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")

with loading.at_once():
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()

from opsconsole.checks import refuse_insecure

refuse_insecure()
