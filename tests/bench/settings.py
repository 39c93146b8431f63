"""The console's settings for a process that is measured; `BENCH_PEER` gives it Django's own admin in place of ours."""

from __future__ import annotations

import os
from pathlib import Path

import django.contrib.admin

from opsconsole.settings import *
from opsconsole.settings import TEMPLATES

ALLOWED_HOSTS = ["testserver"]
PASSWORD_HASHERS = ["tests.support.hashers.CheapArgon2"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if os.environ.get("BENCH_PEER"):
    ROOT_URLCONF = "tests.bench.peer"
    TEMPLATES[0]["DIRS"] = [Path(django.contrib.admin.__file__).parent / "templates", *TEMPLATES[0]["DIRS"]]
