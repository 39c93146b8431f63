"""`python -m tests.bench.dumping inspect|dump|dbbackup FOLDER`: what Django, and its usual add-on, have for a backup.

`inspect` writes models of the database that TARGET_URL names into an app below FOLDER; `dump` is `dumpdata` of them
into FOLDER/dump.json; `dbbackup` is django-dbbackup of the same database into FOLDER/dumps. The last two time
themselves, without the start of the interpreter and of Django.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

APP = "savings_app"


def configure(folder: Path, *apps: str, **more: Any) -> None:
    """A Django project of nothing but these apps."""
    import django
    from django.conf import settings

    url = urlsplit(os.environ["TARGET_URL"])
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.path.lstrip("/"), "USER": url.username,
        "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port,
    }  # fmt: skip
    sys.path[:0] = [str(folder), str(folder / "site")]
    settings.configure(DATABASES={"default": database}, INSTALLED_APPS=list(apps), USE_TZ=True, **more)
    django.setup()


def inspect(folder: Path) -> None:
    from django.core.management import call_command

    configure(folder)
    written = io.StringIO()
    call_command("inspectdb", stdout=written)
    app = folder / APP
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "models.py").write_text(written.getvalue())


def dump(folder: Path) -> None:
    from django.core.management import call_command

    configure(folder, APP)
    began = time.monotonic()
    call_command("dumpdata", APP, output=str(folder / "dump.json"))
    print(json.dumps({"wall": time.monotonic() - began}))


def dbbackup(folder: Path) -> None:
    from django.core.management import call_command

    place = folder / "dumps"
    place.mkdir(exist_ok=True)
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(place)}}
    configure(folder, "dbbackup", STORAGES={"default": storage, "dbbackup": storage, "staticfiles": storage})
    began = time.monotonic()
    call_command("dbbackup", "--noinput", "--clean", verbosity=0)
    print(json.dumps({"wall": time.monotonic() - began}))


if __name__ == "__main__":
    {"inspect": inspect, "dump": dump, "dbbackup": dbbackup}[sys.argv[1]](Path(sys.argv[2]))
