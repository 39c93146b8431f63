"""Replacing the console's keys. Each step is durable and told; whatever kills it, the same call goes on from there.

What is rotated: `audit` (signs checkpoints), `manifest` (signs backups), `secret` (Django's SECRET_KEY) and `fields`
(encrypts stored URLs). No key ever leaves its file: what is told of one is its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import transaction

from opsconsole import audit, ciphers, failpoints, operations
from opsconsole.audit.checkpoints import KEY, rotation_event
from opsconsole.audit.sealing import CHECKPOINT_LOCK, take_turn
from opsconsole.clock import now
from opsconsole.exceptions import OpsError, Refused
from opsconsole.keys import SigningKey, public_keys
from opsconsole.models import Account, AuditCheckpoint, AuditEvent, Operation
from opsconsole.secrets import home_secrets, keep_secrets, name_of, new_secret
from opsconsole.states import TERMINAL

MANIFEST, SECRET_KEY = "manifest", "secret-key"
NOT_IN_FILE = "{} comes from the environment, not from a file of the console."


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One key: the ids of the one in use and of older ones, and what is still to be done ("" when nothing is)."""

    which: str
    current: str
    older: tuple[str, ...] = ()
    open: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.which, "current": self.current, "older": list(self.older), "open": self.open}


def status() -> list[Standing]:
    """How each key stands."""
    return [*(_signing(which) for which in (KEY, MANIFEST)), _secret_standing(), _fields_standing()]


# -- keys that sign ---------------------------------------------------------------------------------------------------


def rotate_audit() -> str:
    """A new key signs checkpoints from now on; the id of the new key.

    The event that names it is sealed, a checkpoint over that is signed by both keys, and then the new key takes the
    old one's place, which is gone. From that checkpoint on the old key counts for nothing.
    """
    home = settings.OPSCONSOLE_HOME
    old, new = SigningKey.load(home, KEY), SigningKey.prepare(home, KEY)
    failpoints.hit("keys.prepared")
    if rotation_event(new) is None:
        told = {"old": old.key_id, "new": new.key_id, "new_public": new.public.raw.hex()}
        audit.record("audit.key_rotated", subject=f"key {new.key_id}", data=told)
    failpoints.hit("keys.told")
    audit.checkpoint(force=True)
    failpoints.hit("keys.signed")
    first = AuditCheckpoint.objects.filter(key_id=new.key_id).order_by("seq").values_list("seq", flat=True).first()
    if first is None:
        raise OpsError(
            "no_checkpoint", "The checkpoint that both keys sign could not be written.",
            "Look into the console's log (the disk may be full), then rotate again: it goes on from here.",
        )  # fmt: skip
    _tell("audit", old.key_id, new.key_id, until_seq=first)
    with transaction.atomic():
        take_turn(CHECKPOINT_LOCK, wait=True)  # nobody signs meanwhile
        SigningKey.promote(home, KEY, last_of_old=first)
    return new.key_id


def rotate_manifest() -> str:
    """A new key signs backups from now on; the id of the new key. What the old one signed stays readable."""
    home = settings.OPSCONSOLE_HOME
    old, new = SigningKey.load(home, MANIFEST), SigningKey.prepare(home, MANIFEST)
    failpoints.hit("keys.prepared")
    _tell(MANIFEST, old.key_id, new.key_id)
    SigningKey.promote(home, MANIFEST)
    return new.key_id


def _signing(which: str) -> Standing:
    home = settings.OPSCONSOLE_HOME
    key, new = SigningKey.load(home, which), SigningKey.prepared(home, which)
    older = tuple(key_id for key_id in public_keys(home, which) if key_id != key.key_id)
    begun = f"The rotation to {new.key_id} was begun; run keys rotate {which} again." if new else ""
    return Standing(which=which, current=key.key_id, older=older, open=begun)


# -- SECRET_KEY -------------------------------------------------------------------------------------------------------


def rotate_secret() -> str:
    """A new SECRET_KEY; the older ones are accepted until `finish_secret`. Programs use it once they are restarted."""
    _in_file(settings.SECRET_KEY_IN_FILE, "SECRET_KEY")
    return _prepend("secret", SECRET_KEY, fernet=False)


def finish_secret(*, end_sessions: bool = False) -> list[str]:
    """Drop the older ones; gives back their ids. Raises Refused while sessions depend on them, or ends these."""
    _in_file(settings.SECRET_KEY_IN_FILE, "SECRET_KEY")
    depending = list(_sessions_of_old_keys(_secrets()[0]))
    if depending and not end_sessions:
        raise Refused(
            "still_needed", f"{len(depending)} sessions were signed with an older SECRET_KEY.",
            f"They end by themselves within {settings.SESSION_ABSOLUTE_HOURS:g} h (restart the console first, if that "
            "was not done); or add --end-sessions, which logs these people out.",
        )  # fmt: skip
    Session.objects.filter(pk__in=depending).delete()
    return _retire("secret", SECRET_KEY, sessions_ended=len(depending))


def _secret_standing() -> Standing:
    newest, *older = _secrets()
    ids = tuple(name_of(key) for key in older)
    waiting = f"{sum(1 for _ in _sessions_of_old_keys(newest))} sessions need an older one." if older else ""
    return Standing(which="secret", current=name_of(newest), older=ids, open=waiting)


def _secrets() -> list[str]:
    if settings.SECRET_KEY_IN_FILE:
        return home_secrets(settings.OPSCONSOLE_HOME, SECRET_KEY)
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _sessions_of_old_keys(newest: str) -> Iterator[str]:
    """The keys of live sessions that the newest SECRET_KEY did not sign."""
    salt = SessionStore().key_salt
    rows = Session.objects.filter(expire_date__gt=now()).values_list("session_key", "session_data")
    for session_key, data in rows.iterator(500):
        signer = signing.TimestampSigner(key=newest, fallback_keys=[], salt=salt)
        try:
            signer.unsign(data)
        except signing.BadSignature:
            yield session_key


# -- keys of stored fields --------------------------------------------------------------------------------------------


def rotate_fields(account: Account | None) -> Operation | None:
    """A new field key, if none was begun; then the request to encrypt everything anew, which another person confirms.

    Gives back that request, or None when nothing is under an older key any more. With keys from the environment, the
    new one is put there by hand.
    """
    keys = ciphers.field_keys()
    if len(keys) == 1:
        _in_file(settings.FIELD_KEYS_IN_FILE, "FIELD_KEYS")
        _prepend("fields", ciphers.FIELD_KEY, fernet=True)
    if next(ciphers.under_old_keys(ciphers.field_cipher()), None) is None:
        return None
    waiting = Operation.objects.filter(kind="change", plan_text__contains='"secrets.reencrypt"')
    asked = waiting.exclude(state__in=TERMINAL).order_by("-pk").first()
    return asked or operations.request_change("secrets.reencrypt", {}, account=account, reason="The key is rotated.")


def finish_fields() -> list[str]:
    """Drop the older keys; gives back their ids. Raises Refused, naming what still needs one."""
    _in_file(settings.FIELD_KEYS_IN_FILE, "FIELD_KEYS")
    needed = list(_some(ciphers.under_old_keys(ciphers.field_cipher()), 5))
    if needed:
        raise Refused(
            "still_needed", f"An older key is still needed, to read {', '.join(needed)}.",
            "Run keys rotate fields and have the request confirmed; have open requests decided, or cancel them.",
        )  # fmt: skip
    return _retire("fields", ciphers.FIELD_KEY)


def _fields_standing() -> Standing:
    newest, *older = ciphers.field_keys()
    count = sum(1 for _ in ciphers.under_old_keys(ciphers.field_cipher())) if older else 0
    waiting = f"{count} secrets are under an older one." if count else "Nothing needs an older one." if older else ""
    return Standing(
        which="fields", current=name_of(newest), older=tuple(name_of(key) for key in older), open=waiting
    )  # fmt: skip


def _some(found: Iterator[str], most: int) -> Iterator[str]:
    for number, each in enumerate(found):
        if number == most:
            yield "and more"
            return
        yield each


# -- what files of secrets share --------------------------------------------------------------------------------------


def _in_file(is_so: bool, variable: str) -> None:
    if not is_so:
        raise Refused(
            "key_in_environment", NOT_IN_FILE.format(variable),
            "Put the new key before the old one there (SECRET_KEY: the old one into SECRET_KEY_FALLBACKS), restart the "
            "console everywhere, run keys rotate fields, and take the old one out when keys status says that nothing "
            "needs it.",
        )  # fmt: skip


def _prepend(which: str, name: str, *, fernet: bool) -> str:
    """Put a new key before the others, unless a rotation is under way; and tell it, unless that was told."""
    home = settings.OPSCONSOLE_HOME
    keys = home_secrets(home, name, fernet=fernet)
    if len(keys) == 1:
        keys = [new_secret(fernet=fernet), *keys]
        keep_secrets(home, name, keys)
    failpoints.hit("keys.written")
    _tell(which, name_of(keys[1]), name_of(keys[0]))
    return name_of(keys[0])


def _retire(which: str, name: str, **more: Any) -> list[str]:
    home = settings.OPSCONSOLE_HOME
    newest, *older = home_secrets(home, name)
    if not older:
        raise Refused("nothing_to_finish", f"There is no older {which} key.", "Nothing needs to be done.")
    ids = [name_of(key) for key in older]
    with transaction.atomic():
        for old in ids:
            audit.record("keys.retired", subject=f"{which} key {old}", data={"which": which, "old": old, **more})
    failpoints.hit("keys.retiring")
    keep_secrets(home, name, [newest])
    return ids


def _tell(which: str, old: str, new: str, **more: Any) -> None:
    """Record a rotation once, however often it is called."""
    subject = f"{which} key {new}"
    told = AuditEvent.objects.filter(type="keys.rotated").order_by("-id").values_list("payload", flat=True)[:100]
    if not any(f'"{subject}"'.encode() in bytes(payload) for payload in told):
        audit.record("keys.rotated", subject=subject, data={"which": which, "old": old, "new": new, **more})


ROTATE: dict[str, Callable[[], str]] = {"audit": rotate_audit, MANIFEST: rotate_manifest, "secret": rotate_secret}
