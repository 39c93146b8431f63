"""What each program of the console inherits of its parent's environment: what it must have, and nothing else.

The environment of a process can be read by root and by its own user, and is handed on to whatever the process starts.
So a secret goes only to a program that cannot work without it. Long-lived services also need the variables that hold
databases' URLs (`--url-env`), whose names may be any; the runner of an operation gets those of its own targets.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable

from cryptography.fernet import Fernet

CONSOLE_DATABASE = frozenset({"DATABASE_URL"})
BROKER = frozenset({"BROKER_URL"})
FIELDS = frozenset({"FIELD_KEYS"})
SESSIONS = frozenset({"SECRET_KEY", "SECRET_KEY_FALLBACKS"})
OWNER = frozenset({"MIGRATE_DATABASE_URL"})
PEOPLE = frozenset({"OPSCONSOLE_TOKEN", "DJANGO_SUPERUSER_PASSWORD"})  # of whoever types a command
SECRETS = CONSOLE_DATABASE | BROKER | FIELDS | SESSIONS | OWNER | PEOPLE

NEEDS = {
    "web": CONSOLE_DATABASE | BROKER | FIELDS | SESSIONS,
    "worker": CONSOLE_DATABASE | BROKER | FIELDS,
    "ticker": CONSOLE_DATABASE | BROKER | FIELDS,
    "beat": BROKER,
    "migrate": CONSOLE_DATABASE | OWNER | FIELDS,
    "collectstatic": frozenset[str](),
    "runner": CONSOLE_DATABASE | FIELDS,
    "scout": CONSOLE_DATABASE,
}
SERVICES = frozenset({"web", "worker", "ticker"})


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


SETTINGS = _listed(
    """
    ALLOWED_HOSTS APPROVAL_HOURS AUDIT_CHECKPOINT_FILE BEAT_SECONDS CSRF_TRUSTED_ORIGINS DEBUG FIX_UNDO_HOURS
    HEALTH_SECONDS
    LEASE_SECONDS
    LOGIN_FAILURE_LIMIT LOSS_EXACT_ROWS LOSS_SAMPLE_ROWS LOSS_SECONDS LOSS_UNPACK_BYTES NEW_APPROVER_HOURS
    OLD_DATABASE_HOURS REAPER_GRACE_SECONDS REAPER_SECONDS REAUTH_MINUTES
    REPUBLISH_SECONDS RETENTION_TRASH_DAYS SECURE_COOKIES SECURE_HSTS_SECONDS SECURE_SSL_REDIRECT SELF_FENCE_SECONDS
    SESSION_ABSOLUTE_HOURS SESSION_IDLE_MINUTES STANDING_APPROVAL_DAYS STORE_PRIVATE_NETWORKS STORE_RESERVE_MIB
    TRUSTED_PROXIES WEAKENED_POLICY_HOURS WORKER_CONCURRENCY WORKER_QUEUES
    """
)
EVERYDAY = _listed(
    """
    DJANGO_SETTINGS_MODULE HOME LANG LD_LIBRARY_PATH LOGNAME PGSSLROOTCERT PGSYSCONFDIR SSL_CERT_DIR SSL_CERT_FILE
    TMPDIR TZ USER VIRTUAL_ENV XDG_RUNTIME_DIR
    """
)
FAMILIES = ("OPSCONSOLE_", "PYTHON", "LC_")
NOT_FOR_CHILDREN = frozenset({"PATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR"})


def environment_for(program: str, *, variables: Iterable[str] = ()) -> dict[str, str]:
    """The part of this process's environment that `program` (a key of NEEDS) inherits, and `variables` by name.

    The search path is the fixed one of `process.spawn`. Keys that a program does not need are replaced by useless ones
    where the environment holds them, or its settings would make new ones and keep them in the home folder.
    """
    needs = NEEDS[program]
    wanted = needs | frozenset(variables)
    kept = {name: value for name, value in os.environ.items() if name in wanted or _is_harmless(program, name)}
    if "SECRET_KEY" in os.environ and "SECRET_KEY" not in needs:
        kept["SECRET_KEY"] = secrets.token_urlsafe(48)
    if "FIELD_KEYS" in os.environ and "FIELD_KEYS" not in needs:
        kept["FIELD_KEYS"] = Fernet.generate_key().decode()
    return kept


def _is_harmless(program: str, name: str) -> bool:
    if name in SECRETS or name in NOT_FOR_CHILDREN:
        return False
    return program in SERVICES or name in SETTINGS | EVERYDAY or name.startswith(FAMILIES)
