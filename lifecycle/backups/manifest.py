"""The manifest of a backup: what was copied, from where, by whom, and the hash of every object. Signed, published last.

The file `manifest.json` is the canonical JSON of `{"manifest": {...}, "signature": {"key_id": ..., "ed25519": ...}}`;
the signature (base64 of 64 bytes) is over the canonical JSON of the inner object. It holds no secrets. Numbers are
integers, times are RFC 3339 texts in UTC. With the objects beside it, it is all that a restore needs.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from lifecycle.formats.base import Contents, StoredObject, TableContent
from opsconsole.exceptions import OperationFailed
from opsconsole.keys import PublicKeys, SigningKey
from opsconsole.plans import canonical_json, digest_of

MANIFEST_FORMAT = 1
ENCRYPTED_FORMAT = 2  # of a manifest that names recipients: a console that cannot decrypt says so
_READ = (MANIFEST_FORMAT, ENCRYPTED_FORMAT)
MANIFEST_NAME = "manifest.json"
_RESTORE_AGAIN = "Restore another backup, and take a fresh one of this database."


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One backup. `backup` is the folder of its objects in the store, which is also its id for other manifests."""

    backup: str
    operation_id: int
    fence: int
    console: str  # the instance of the console that made it
    database: str
    environment: str
    target_identity: str
    target_incarnation: str
    engine: str
    server_version: str
    version_number: int
    started_at: str
    finished_at: str
    contents: Contents
    encoding: str = ""
    verified: str = "V1"  # the level that was reached before publication
    verified_at: str = ""
    previous: str = ""  # `backup` of the one before it, "" for the first
    recipients: tuple[Mapping[str, str], ...] = ()  # public_key, label and role of each, when the objects are encrypted
    format: int = MANIFEST_FORMAT

    def to_bytes(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical_json(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """What is signed. What the first manifests did not have is left out where there is nothing to say of it."""
        raw = asdict(self)
        for item in raw["contents"]["objects"]:
            if not item["encryption"]:
                del item["encryption"]
        if not raw["recipients"]:
            del raw["recipients"]
        return raw

    @property
    def public_keys(self) -> tuple[str, ...]:
        """For whom the objects are encrypted."""
        return tuple(each["public_key"] for each in self.recipients)

    @property
    def digest(self) -> str:
        """`sha256:...` of the signed bytes: what a plan that uses this backup binds to."""
        return digest_of(self.to_bytes())

    @property
    def stored_bytes(self) -> int:
        return sum(item.size for item in self.contents.objects)

    @property
    def plain_bytes(self) -> int:
        return sum(item.plain_size for item in self.contents.objects)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.contents.tables)


def rfc3339(moment: datetime) -> str:
    """A time as the manifest writes it: UTC, whole microseconds, `Z`. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time in a manifest needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sign(manifest: Manifest, key: SigningKey) -> bytes:
    """The bytes of `manifest.json`."""
    signature = base64.b64encode(key.sign(manifest.to_bytes())).decode()
    return canonical_json({"manifest": manifest.as_json(), "signature": {"key_id": key.key_id, "ed25519": signature}})


def read(data: bytes, keys: PublicKeys) -> Manifest:
    """The manifest in `data`, once its signature has been checked with one of `keys`.

    Raises OperationFailed: manifest_damaged (not what we write), manifest_signature (unknown key, or not its
    signature), manifest_version (written by a newer console).
    """
    inner, key_id, signature = _open(data)
    key = keys.get(key_id)
    if key is None:
        raise OperationFailed(
            "manifest_signature",
            f"The manifest is signed with the key {key_id}, which this console does not know.",
            "If you trust that console, ask for its key to be trusted: `manage.py keys trust FILE --label NAME`, FILE "
            "being its keys/manifest.pub; or on the page Stores.",
        )
    if not key.verify(canonical_json(inner), signature):
        raise OperationFailed("manifest_signature", "The manifest was changed after it was signed.", _RESTORE_AGAIN)
    if inner.get("format") not in _READ:
        raise OperationFailed(
            "manifest_version",
            f"The manifest has format {inner.get('format')}; this console reads up to {max(_READ)}.",
            "Use the version of the console that wrote it, or a newer one.",
        )
    return _manifest(inner)


def _open(data: bytes) -> tuple[dict[str, Any], str, bytes]:
    try:
        outer = json.loads(data)
        if canonical_json(outer) != data:
            raise ValueError("not canonical")
        signature = base64.b64decode(outer["signature"]["ed25519"], validate=True)
        return dict(outer["manifest"]), str(outer["signature"]["key_id"]), signature
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise _damaged() from None


def _manifest(inner: Mapping[str, Any]) -> Manifest:
    try:
        found = {"contents": contents_from(inner["contents"]), "recipients": tuple(inner.get("recipients", ()))}
        return Manifest(**(dict(inner) | found))
    except (KeyError, TypeError):
        raise _damaged() from None


def contents_from(raw: Mapping[str, Any]) -> Contents:
    """Inverse of `asdict(contents)` after a journey through JSON. Raises TypeError or KeyError when it does not fit."""
    values = dict(raw)
    values["objects"] = tuple(StoredObject(**_tupled(StoredObject, item)) for item in raw["objects"])
    values["tables"] = tuple(TableContent(**_tupled(TableContent, item)) for item in raw["tables"])
    return Contents(**values)


def _tupled(kind: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    sequences = {member.name for member in fields(kind) if str(member.type).startswith("tuple")}
    return {name: tuple(value) if name in sequences else value for name, value in raw.items()}


def _damaged() -> OperationFailed:
    return OperationFailed("manifest_damaged", "The file is no manifest of a backup, or it is damaged.", _RESTORE_AGAIN)
