"""What the console's own database refuses about backups, their recipients, holds and retention, whoever asks.

Backstops, like those of the kernel: `retention` decides the same in words, and never tries what they refuse.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.models import Backup, Hold, Recipient, Rehearsal, RetentionPass, RetentionRule
from lifecycle.models.backups import PORTABLE
from opsconsole.models import Operation
from opsconsole.states import HELD_BY_WORKER
from opsconsole.triggers.building import (
    AS_A_REQUEST,
    NOT_BY_HAND,
    append_only,
    confirmed,
    differs,
    guard_on,
    keys_of,
    not_replaced,
    table_of,
)
from opsconsole.triggers.guards import Guard

RECEIVED = ("environment_id", "label", "public_key", "role", "operation_id", "added_at")
CONTENT = (  # of a backup: whose it is, and what its manifest says
    "database_id", "operation_id", "purpose", "part", "key", "console", "format", "engine", "server_version",
    "identity", "incarnation", "schema_fingerprint", "manifest_sha256", "recipients", "tables", "rows", "stored_bytes",
    "plain_bytes", "started_at", "finished_at",
)  # fmt: skip
PROVEN = ("drilled_at", "restore_seconds", "damaged_at")
HELD = ("database_id", "backup_id", "reason", "until", "set_at", "operation_id")
PRESENT = "b.database_id = OLD.database_id AND b.trashed_at IS NULL AND b.state = 'good'"
NEWER = "(b.started_at > OLD.started_at OR (b.started_at = OLD.started_at AND b.id > OLD.id))"


def every() -> Iterator[Guard]:
    """The guards of this app's tables."""
    yield from _backups()
    yield from append_only(Rehearsal)
    yield not_replaced(Rehearsal, keys_of(Rehearsal))
    yield from append_only(RetentionRule)
    yield not_replaced(RetentionRule, keys_of(RetentionRule))
    yield _confirmed(RetentionRule, "INSERT", "1 = 1", "NEW.operation_id", "How long backups are kept is guarded")
    yield from _holds()
    yield from _recipients()
    resumed = "OLD.paused_at IS NOT NULL AND NEW.paused_at IS NULL"
    yield _confirmed(RetentionPass, "UPDATE", resumed, "NEW.operation_id", "Going on with deleting is guarded")
    yield from append_only(RetentionPass, ("DELETE", "TRUNCATE"))
    yield not_replaced(RetentionPass, [["id"]])


def _backups() -> Iterator[Guard]:
    into_trash = "NEW.trashed_at IS NOT NULL AND OLD.trashed_at IS NULL"
    begins = "NEW.deleting_at IS NOT NULL AND OLD.deleting_at IS NULL"
    ends = "NEW.state = 'expired' AND OLD.state <> 'expired'"
    goes = f"(({into_trash}) OR ({begins}) OR ({ends}))"
    yield guard_on(
        Backup, "UPDATE", "pinned",
        f"{goes} AND OLD.pinned_at IS NOT NULL AND (OLD.pinned_until IS NULL OR OLD.pinned_until > CURRENT_TIMESTAMP)",
        "pinned", "This backup is pinned, and is not deleted.", "Unpin it first, on its page.",
    )  # fmt: skip
    yield guard_on(
        Backup, "UPDATE", "held",
        f"{goes} AND EXISTS (SELECT 1 FROM {table_of(Hold)} h WHERE h.database_id = OLD.database_id "
        "AND (h.backup_id IS NULL OR h.backup_id = OLD.id) AND h.lifted_at IS NULL "
        "AND (h.until IS NULL OR h.until > CURRENT_TIMESTAMP))",
        "on_hold", "A legal hold is on this backup, and it is not deleted.", "Ask for the hold to be lifted.",
    )  # fmt: skip
    yield guard_on(
        Backup, "UPDATE", "last", f"{goes} AND OLD.state = 'good' AND ({_is_last_good()})", "last_good",
        "This is the last good backup of its database, or the last that a drill has restored; it is not deleted.",
        "Take a fresh backup and let a drill restore it; then this one may go.",
    )  # fmt: skip
    yield guard_on(
        Backup, "UPDATE", "steps", f"{ends} AND (OLD.trashed_at IS NULL OR OLD.deleting_at IS NULL)",
        "steps", "A backup is deleted by way of the trash only.", "Ask for it to expire.",
    )  # fmt: skip
    yield guard_on(
        Backup, "UPDATE", "deleted", f"OLD.state = 'expired' AND ({differs(('state', 'trashed_at', 'deleting_at'))})",
        "deleted", "This backup is deleted; only the record of it is left.", "Choose another backup.",
    )  # fmt: skip
    yield from _verdicts()
    for event in ("DELETE", "TRUNCATE"):
        yield guard_on(
            Backup, event, "never", "1 = 1", "record", "The record of a backup stays, whatever becomes of its data.",
            "Ask for the backup to expire: its data goes then.",
        )  # fmt: skip
    yield not_replaced(Backup, [["id"], ["key", "console"]])


def _verdicts() -> Iterator[Guard]:
    """What a backup is never changes; whether it is whole, a verification of it finds, or people say who confirm it.

    Else the last good one could be made to look like another, and then be deleted.
    """
    yield guard_on(
        Backup, "UPDATE", "content", differs(CONTENT), "sealed",
        "Whose a backup is, and what its manifest says, never changes.", "Take another backup.",
    )  # fmt: skip
    held = ", ".join(f"'{state}'" for state in sorted(HELD_BY_WORKER))
    verifies = (
        f"EXISTS (SELECT 1 FROM {table_of(Operation)} o WHERE o.kind = 'verify' AND o.database_id = OLD.database_id "
        f"AND o.state IN ({held}) "
        "AND o.plan_text LIKE '%\"backup\":\"' || OLD.id || '\"%')"
    )
    judged = f"(NEW.state = 'bad' AND OLD.state <> 'bad') OR {differs(PROVEN)}"
    yield guard_on(
        Backup, "UPDATE", "verdict", f"({judged}) AND NOT {verifies}", "not_verified",
        "Only a verification that runs says of a backup that it is damaged, or that a drill restored it.",
        "Ask for a verification of it.",
    )  # fmt: skip
    trusted = "OLD.state = 'bad' AND NEW.state = 'good'"
    yield guard_on(
        Backup, "UPDATE", "trusted", f"{trusted} AND NOT ({confirmed(None)})", "not_confirmed",
        f"That a damaged backup counts as good again is guarded: {AS_A_REQUEST}.", NOT_BY_HAND,
    )  # fmt: skip


def _is_last_good() -> str:
    """Of one that is present: no newer good one of its sort. Of one in the trash: no good one is left at all.

    A whole backup comes before one of some tables or without a schema, and one asked for before a safety backup.
    """
    table, whole, asked = table_of(Backup), _whole("b"), "b.purpose <> 'safety'"
    none = f"NOT EXISTS (SELECT 1 FROM {table} b WHERE {PRESENT}"
    of_whole = (
        f"(OLD.purpose <> 'safety' AND {none} AND {whole} AND {asked} AND {NEWER}))",
        f"(OLD.purpose = 'safety' AND {none} AND {whole} AND {NEWER}) AND {none} AND {whole} AND {asked}))",
        f"(OLD.drilled_at IS NOT NULL AND {none} AND {whole} AND b.drilled_at IS NOT NULL AND {NEWER}))",
    )
    of_others = (
        f"(OLD.purpose <> 'safety' AND {none} AND {asked} AND {NEWER}))",
        f"(OLD.purpose = 'safety' AND {none} AND {NEWER}) AND {none} AND {asked}))",
        f"(OLD.drilled_at IS NOT NULL AND {none} AND b.drilled_at IS NOT NULL AND {NEWER}))",
    )
    newest = (
        f"({_whole('OLD')} AND ({' OR '.join(of_whole)}))",
        f"(NOT {_whole('OLD')} AND {none} AND {whole}) AND ({' OR '.join(of_others)}))",
    )
    alone = f"({none}) OR ({_whole('OLD')} AND {none} AND {whole})))"
    return f"(OLD.trashed_at IS NULL AND ({' OR '.join(newest)})) OR (OLD.trashed_at IS NOT NULL AND ({alone}))"


def _whole(row: str) -> str:
    """Whether a row brings a whole database back."""
    return f"({row}.part = '' AND {row}.format <> '{PORTABLE}')"


def _holds() -> Iterator[Guard]:
    what = "A legal hold is guarded"
    yield _confirmed(Hold, "INSERT", "1 = 1", "NEW.operation_id", what)
    yield _confirmed(Hold, "UPDATE", "1 = 1", "NEW.lifted_by_id", what)
    yield guard_on(
        Hold, "UPDATE", "lifted", f"({differs(HELD)}) OR OLD.lifted_at IS NOT NULL", "sealed",
        "A hold is lifted once, and otherwise stays as it was set.", "Lift it, and set another one.",
    )  # fmt: skip
    yield from append_only(Hold, ("DELETE", "TRUNCATE"))
    yield not_replaced(Hold, [["id"]])


def _recipients() -> Iterator[Guard]:
    what = "Who can decrypt backups is guarded"
    yield _confirmed(Recipient, "INSERT", "1 = 1", "NEW.operation_id", what)
    yield _confirmed(Recipient, "UPDATE", "1 = 1", "NEW.retired_by_id", what)
    yield guard_on(
        Recipient, "UPDATE", "retired", f"({differs(RECEIVED)}) OR OLD.retired_by_id IS NOT NULL", "sealed",
        "A recipient is retired once, and otherwise stays as it was added.", "Retire it, and add another one.",
    )  # fmt: skip
    yield from append_only(Recipient, ("DELETE", "TRUNCATE"))
    yield not_replaced(Recipient, [["id"]])


def _confirmed(model: type, event: str, when: str, column: str, what: str) -> Guard:
    condition = f"({when}) AND NOT ({confirmed(column)})"
    return guard_on(model, event, "confirmed", condition, "not_confirmed", f"{what}: {AS_A_REQUEST}.", NOT_BY_HAND)
