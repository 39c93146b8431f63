"""The console's settings for a test process: a home of its own, and passwords that are cheap to check."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

os.environ["OPSCONSOLE_HOME"] = tempfile.mkdtemp(prefix="opsconsole-test-home-")
atexit.register(shutil.rmtree, os.environ["OPSCONSOLE_HOME"], ignore_errors=True)
for leaked in (
    "DATABASE_URL",
    "MIGRATE_DATABASE_URL",
    "BROKER_URL",
    "OPSCONSOLE_ENV",
    "OPSCONSOLE_ROOTS",
    "OPSCONSOLE_ROOT_GROUPS",
    "DEBUG",
):
    os.environ.pop(leaked, None)

from opsconsole.settings import *

SECRET_KEY_IN_FILE = FIELD_KEYS_IN_FILE = False  # each test has a home of its own; these are of the process
PASSWORD_HASHERS = ["tests.support.hashers.CheapArgon2"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
LEASE_SECONDS, BEAT_SECONDS, SELF_FENCE_SECONDS = 3.0, 0.5, 1.8
REAPER_SECONDS = REAPER_GRACE_SECONDS = 1.0
SCHEDULES = False  # tests of schedules switch them on; no other one should meet 02:00 by chance
HEALTH_SECONDS = 0.0  # nor look at the databases of others
SQLITE_OPTIONS = SQLITE_OPTIONS | {
    "init_command": SQLITE_OPTIONS["init_command"].replace("FULL", "OFF")
}  # no power cuts
DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
STATIC_ROOT.mkdir()  # else each client warns of it
