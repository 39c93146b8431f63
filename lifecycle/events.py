"""What this app records in the audit history."""

from __future__ import annotations

from opsconsole.audit.catalogue import EventType, event
from opsconsole.audit.reconciliation import Witnessed

BACKUPS = Witnessed(
    model="lifecycle.Backup",
    type="backup.published",
    also=("backup.adopted",),
    fields=(("id", "backup"), ("manifest_sha256", "manifest")),
    kept=False,
)

PATCHES = Witnessed(
    model="lifecycle.Patch",
    type="patch.kept",
    fields=(("operation_id", "patch"), ("manifest_sha256", "manifest")),
    kept=False,
)

RECIPIENTS = Witnessed(
    model="lifecycle.Recipient",
    type="recipient.added",
    fields=(("id", "recipient"), ("public_key", "public_key"), ("role", "role"), ("environment_id", "environment")),
)

INSPECTIONS = Witnessed(
    model="lifecycle.Inspection",
    type="upload.inspected",
    fields=(("upload_id", "upload"), ("document_sha256", "document")),
)
REHEARSALS = Witnessed(
    model="lifecycle.Rehearsal",
    type="migration.rehearsed",
    fields=(
        ("operation_id", "rehearsal"), ("units_digest", "units"), ("report_sha256", "report"), ("held", "held"),
        ("schema_fingerprint", "schema"), ("mode", "mode"), ("backup_id", "backup"),
    ),
)  # fmt: skip

RULES = Witnessed(
    model="lifecycle.RetentionRule",
    type="retention.changed",
    fields=tuple(
        (name, name)
        for name in (
            "scope", "version", "last", "hourly", "daily", "weekly", "monthly", "yearly", "time_zone", "keeps_all",
            "move_days", "move_to", "enabled", "effective_at",
        )
    ),
)  # fmt: skip

HOLDS = Witnessed(model="lifecycle.Hold", type="hold.set", fields=(("id", "hold"),))

EVENTS: tuple[EventType, ...] = (
    event(
        "backup.published",
        "A complete backup of {database} was published",
        "backup manifest rows bytes key format tables purpose level seconds store",
    ),
    event(
        "backup.adopted",
        "{object} of {database} was found in a store and is listed here",
        "backup manifest rows bytes purpose store console key",
    ),
    event("backup.copied", "{object} of {database} lies in a store more", "backup manifest bytes store"),
    event("backup.copy_damaged", "One copy of {object} of {database} is damaged: {reason}", "backup level store"),
    event("backup.copy_removed", "A copy of {object} of {database} was removed", "backup store"),
    event("backup.downloaded", "{who} downloaded {object} of {database}", "backup bytes manifest"),
    event("backup.download_granted", "{who} was given one download of {object} of {database}", "backup expires_at"),
    event("backup.pinned", "{who} pinned {object} of {database}", "backup until"),
    event("backup.unpinned", "{who} unpinned {object} of {database}", "backup"),
    event(
        "backup.verified",
        "A check of {object} of {database} held",
        "backup level seconds where restore_seconds store",
        by="level",
        V0="The stored bytes of {object} of {database} are those that were published",
        V1="Everything in {object} of {database} was read through",
        V2="A drill restored {object} of {database} into a scratch database, and it equals what was backed up",
    ),
    event("backup.damaged", "Damage was found in {object} of {database}: {reason}", "backup level seconds store"),
    event(
        "migration.rehearsed",
        "Migrations of {database} were tried on a copy: {object}",
        "rehearsal units report held schema mode backup data_at",
        by="mode",
        fresh="The migration folder of {database} was tried on an empty database: {object}",
    ),
    event("backup.trashed", "{object} of {database} went to the trash: {reason}", "backup until"),
    event("backup.put_back", "{object} of {database} came out of the trash: {reason}", "backup"),
    event("backup.unlisted", "The deletion of {object} of {database} began", "backup"),
    event("backup.expired", "{object} of {database} was deleted: {reason}", "backup bytes manifest"),
    event("backup.accepted", "What the operation left that {object} of {database} was taken for is accepted", "backup"),
    event(
        "retention.changed",
        "It was agreed how long backups are kept: {object}",
        "rule scope version last hourly daily weekly monthly yearly time_zone keeps_all move_days move_to enabled "
        "effective_at weaker",
    ),
    event("retention.paused", "Retention was paused: {reason}"),
    event("retention.resumed", "It was agreed that retention goes on, which was paused: {reason}"),
    event("retention.stopped", "No backup of {database} goes: {reason}", "going of"),
    event("hold.set", "A legal hold was set on {object} of {database}: {reason}", "hold backup until"),
    event("hold.lifted", "The legal hold on {object} of {database} was lifted", "hold backup"),
    event(
        "recipient.added",
        "Backups of {object} are encrypted for one more key",
        "recipient environment label public_key role",
    ),
    event(
        "recipient.retired",
        "Backups of {object} are no longer encrypted for one of their keys",
        "recipient environment label public_key role",
    ),
    event("recovery_kit.made", "{who} downloaded a recovery kit: {object}", "databases"),
    event("backup.trusted", "It was agreed that {object} of {database} is good again", "backup"),
    event(
        "patch.kept",
        "The rows that a restore of {database} took away are kept as {object}",
        "patch holds manifest rows bytes expires_at",
        by="holds",
        rejected="The rows that did not fit into {database} are kept as {object}",
    ),
    event("patch.downloaded", "{who} downloaded {object} of {database}", "patch bytes manifest"),
    event("patch.download_granted", "{who} was given one download of {object} of {database}", "patch expires_at"),
    event("patch.dropped", "The time of {object} of {database} is over, and it was removed", "patch rows"),
    event("upload.received", "{who} brought {object} for {database}", "upload files bytes digest expires_at"),
    event(
        "upload.inspected",
        "{object} for {database} was inspected",
        "upload document verdict format tables rows",
        by="verdict",
        readable="{object} for {database} was inspected and can be read",
        refused="{object} for {database} was inspected and cannot be used: {reason}",
    ),
    event("upload.expired", "The time of {object} for {database} is over, and it was removed", "upload bytes"),
    event("folder.received", "{who} brought {object} for {database}", "folder files bytes digest way expires_at"),
    event("folder.expired", "The time of {object} for {database} is over, and it was removed", "folder bytes"),
    event(
        "migration.ended",
        "{object} of {database} ended",
        "tool key how file_digest text_digest seconds",
        by="how",
        done="{object} was applied to {database}",
        taken_back="{object} was taken back on {database}",
        failed="{object} of {database} failed: {reason}",
        lost="{object} of {database} was begun, and its ledger does not have it",
    ),
    event("migration.alert", "After {object} of {database}: {reason}", "tool"),
    event("kept.added", "What the {what} replaced is kept, so that it can be undone", "way name backup bytes"),
    event(
        "kept.dropped",
        "The database that an operation on {database} had replaced was dropped",
        "name way operation backup",
        by="way",
        backup="The time to undo an operation on {database} with its safety backup is over",
    ),
)
