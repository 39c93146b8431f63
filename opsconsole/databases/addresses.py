"""From a row to an engine: where the URL of a managed database is kept, and how it is opened."""

from __future__ import annotations

import os

from django.conf import settings

from opsconsole.ciphers import field_cipher
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.base import Address, Engine
from opsconsole.exceptions import TargetProblem
from opsconsole.models import Database
from opsconsole.secrets import FieldCipher


def cipher() -> FieldCipher:
    """The cipher of stored URLs."""
    return field_cipher()


def parse(url: str) -> Address:
    """Check a URL's form and, for a file, its place. Raises Usage or TargetProblem, neither repeating the URL."""
    return engine_class_for(url).parse(url, roots=settings.OPSCONSOLE_ROOTS)


def url_from(url_env: str) -> str:
    """The URL that an environment variable holds. Raises TargetProblem when this process does not have it."""
    url = os.environ.get(url_env, "").strip()
    if not url:
        raise TargetProblem(
            "missing", f"The environment variable {url_env}, which should hold the URL, is not set here.",
            f"Set {url_env} for the console and for its workers, and start them again.",
        )  # fmt: skip
    return url


def url_of(database: Database) -> str:
    """The URL with its secrets. Never log it, never show it, never put it into a plan or an event."""
    return cipher().open(database.url_sealed) if database.url_sealed else url_from(database.url_env)


def engine_for(database: Database, session_label: str = "opsconsole") -> Engine:
    """The engine of a database. Raises TargetProblem, Usage, or OpsError("field_key_missing")."""
    address = parse(url_of(database))
    if address.engine != database.engine:
        raise TargetProblem(
            "version", f"{database.name} is registered as {database.engine}, but its URL now names {address.engine}.",
            "Put the old URL back, or remove the database and register it again.",
        )  # fmt: skip
    return open_engine(address, session_label=session_label)
