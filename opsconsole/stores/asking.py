"""What somebody asks for, checked: parameters of `store.add`, `store.edit`, `store.retire`, without clear secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from opsconsole.ciphers import field_cipher
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.instance import instance_id
from opsconsole.models import Environment, Store
from opsconsole.stores import looking
from opsconsole.stores.opening import LOCAL, VARIABLE, mark_in

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_CERTIFICATES = (Path("/etc/ssl"), Path("/etc/pki"))
TEXTS = ("kind", "path", "endpoint", "region", "bucket", "prefix", "certificates", "access_key_env", "secret_key_env")


def addition(name: str, given: Mapping[str, Any], *, access_key: str = "", secret_key: str = "") -> dict[str, Any]:
    """The parameters of `store.add`. Tries the store; one that does not work is taken, with the reason as a warning.

    `given` are settings by name (`Store.SETTINGS`). Raises Usage, or Refused when the name is taken.
    """
    if name == LOCAL or Store.objects.filter(name=name).exists():
        raise Refused("name_taken", f"There is, or was, a store called {name}.", "Choose another name.")
    wanted = _checked(Store(name=name, region="us-east-1"), given)
    sealed = _sealed(access_key, secret_key)
    _require_credentials(wanted, sealed)
    return {"name": name, **wanted, "credentials_sealed": sealed, "warnings": _tried(name, wanted, sealed)}


def edition(row: Store, given: Mapping[str, Any], *, access_key: str = "", secret_key: str = "") -> dict[str, Any]:
    """The parameters of `store.edit`: what differs. Raises Usage."""
    wanted = _checked(row, given)
    sealed = _sealed(access_key, secret_key)
    moved = {key: value for key, value in wanted.items() if value != getattr(row, key)}
    if not moved and not sealed:
        raise Usage("nothing_to_change", f"The store {row.name} is like this already.", "Give a setting to change.")
    if {"kind", "path", "endpoint", "bucket", "prefix"} & set(moved):
        raise Refused(
            "store_moved", "Where a store is does not change: its backups would not be found there.",
            "Add the new place as a store of its own, and retire this one when nothing is needed from it any more.",
        )  # fmt: skip
    kept = "" if wanted["access_key_env"] else sealed or row.credentials_sealed
    _require_credentials(wanted, kept)
    return {"name": row.name, "changes": moved, "credentials_sealed": kept, "warnings": _tried(row.name, wanted, kept)}


def retirement(row: Store) -> dict[str, Any]:
    """The parameters of `store.retire`. Raises Refused while an environment sends its backups there."""
    used = [environment.label for environment in Environment.objects.all() if row.name in environment.stores]
    if used:
        raise Refused(
            "store_in_use", f"Backups of {', '.join(used)} go to the store {row.name}.",
            "Give these environments another store first.",
        )  # fmt: skip
    return {"name": row.name}


def _checked(row: Store, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting as it would be. Raises Usage for one that cannot be."""
    if unknown := sorted(set(given) - set(Store.SETTINGS)):
        raise Usage("unknown_parameter", f"A store has no setting called {unknown[0]}.",
                    f"It has: {', '.join(Store.SETTINGS)}.")  # fmt: skip
    wanted = {name: given.get(name, getattr(row, name)) for name in Store.SETTINGS}
    wanted |= {name: str(wanted[name] or "").strip() for name in TEXTS}
    wanted["prefix"] = wanted["prefix"].strip("/")
    if wanted["kind"] == Store.Kind.FOLDER:
        _check_folder(wanted)
    elif wanted["kind"] == Store.Kind.S3:
        _check_s3(wanted)
    else:
        raise _bad("kind", wanted["kind"], "Use folder or s3.")
    if wanted["quota_mib"] is not None and not 1 <= int(wanted["quota_mib"]) < 1 << 40:
        raise _bad("quota_mib", wanted["quota_mib"], "Use a whole number of MiB, or none.")
    if wanted["is_default"] and not wanted["writable"]:
        raise Usage("bad_value", "A store that is only read cannot be the default one.", "Make it writable.")
    return wanted


def _check_folder(wanted: dict[str, Any]) -> None:
    path = Path(wanted["path"])
    if not path.is_absolute() or ".." in path.parts:
        raise _bad("path", wanted["path"], "Use the absolute path of a folder that the console may write.")
    own = settings.OPSCONSOLE_STORE.resolve()
    if path.resolve() == own or own in path.resolve().parents:
        raise _bad("path", wanted["path"], "That is the console's own store, which is called local.")


def _check_s3(wanted: dict[str, Any]) -> None:
    if not _BUCKET.fullmatch(wanted["bucket"]):
        raise _bad("bucket", wanted["bucket"], "Use the name of the bucket, 3 to 63 small letters, digits, - and dots.")
    if wanted["prefix"] and not _PREFIX.fullmatch(wanted["prefix"]):
        raise _bad("prefix", wanted["prefix"], "Use letters, digits, -, _, dots and slashes.")
    if not wanted["region"]:
        raise _bad("region", "", "Use the region of the bucket; many other services take us-east-1 or auto.")
    parts = urlsplit(wanted["endpoint"])
    if wanted["endpoint"] and (parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc
                               or parts.query or parts.fragment):  # fmt: skip
        raise _bad("endpoint", parts.hostname or "that", "Write https://HOST[:PORT]; keys go into fields of their own.")
    for name in ("access_key_env", "secret_key_env"):
        if wanted[name] and not VARIABLE.fullmatch(wanted[name]):
            raise _bad(
                name, wanted[name],
                "Its value is sent to the store: use a variable that is meant for one, called AWS_..., S3_... or "
                "STORE_... in capital letters.",
            )  # fmt: skip
    path = wanted["certificates"]
    if path and not any(Path(path).resolve().is_relative_to(folder) for folder in _CERTIFICATES):
        raise _bad("certificates", path, "Put the file below /etc/ssl or /etc/pki.")


def _require_credentials(wanted: Mapping[str, Any], sealed: str) -> None:
    if wanted["kind"] == Store.Kind.S3 and not sealed and not (wanted["access_key_env"] and wanted["secret_key_env"]):
        raise Usage(
            "credentials_needed", "An S3 store needs an access key and its secret.",
            "Give both, or name the two environment variables that hold them.",
        )  # fmt: skip


def _sealed(access_key: str, secret_key: str) -> str:
    if bool(access_key) != bool(secret_key):
        raise Usage("credentials_needed", "An access key and its secret go together.", "Give both, or neither.")
    held = {"access_key": access_key.strip(), "secret_key": secret_key.strip()}
    return field_cipher().seal(json.dumps(held)) if access_key else ""


def _tried(name: str, wanted: Mapping[str, Any], sealed: str) -> list[str]:
    """What should be known before it is agreed to: that it does not work yet, or is another console's."""
    row = Store(name=name, **wanted, credentials_sealed=sealed)
    try:
        found = looking.look(row, mark_in)
    except OpsError as error:
        return [f"It does not work yet ({error.code}): {error.why} {error.next_step}".strip()]
    if found and found != instance_id() and row.writable:
        return [f"It belongs to another console ({found}): nothing can be written there. Add it to be read only."]
    return []


def _bad(name: str, value: Any, step: str) -> Usage:
    return Usage("bad_value", f"{value!r} is no {name.replace('_', ' ')} for a store.", step)
