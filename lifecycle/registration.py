"""The explicit table of what this app brings: kinds, changes, pages' panels. Called once when Django starts."""

from __future__ import annotations

from lifecycle import guards, posture
from lifecycle.backups import expiry, sweeping
from lifecycle.changes import DownloadBackup, DownloadPatch, SetSmokeStatement, TrustBackup
from lifecycle.encryption import recipients
from lifecycle.encryption.changes import AddRecipient, RetireRecipient
from lifecycle.events import BACKUPS, EVENTS, HOLDS, INSPECTIONS, PATCHES, RECIPIENTS, REHEARSALS, RULES
from lifecycle.kinds.backup import BackupKind
from lifecycle.kinds.compare import CompareKind
from lifecycle.kinds.copy import CopyKind
from lifecycle.kinds.doctor import DoctorKind
from lifecycle.kinds.expire import ExpireKind
from lifecycle.kinds.handover import HandoverKind
from lifecycle.kinds.inspect import InspectKind
from lifecycle.kinds.migrate import MigrateKind
from lifecycle.kinds.reapply import ReapplyKind
from lifecycle.kinds.rehearse import RehearseKind
from lifecycle.kinds.resolve import ResolveKind
from lifecycle.kinds.restore import RestoreKind
from lifecycle.kinds.rollback import RollbackKind
from lifecycle.kinds.undo import UndoKind
from lifecycle.kinds.verify import VerifyKind
from lifecycle.migrating import folders, rehearsals
from lifecycle.patches import listing
from lifecycle.proving import grounds
from lifecycle.rehearsing import evidence
from lifecycle.retention import passing
from lifecycle.retention.changes import CHANGES
from lifecycle.sources.known import register_sources
from lifecycle.stores import copies
from lifecycle.stores.changes import Rebuild
from lifecycle.uploads import listing as uploads
from lifecycle.versions.changes import DeclareVersion
from opsconsole import age_keys, chores, kinds, loading, system
from opsconsole.audit import catalogue, reconciliation
from opsconsole.changes import register_change
from opsconsole.posture import register_reader
from opsconsole.stores import checking
from opsconsole.triggers import rules


def register_all() -> None:
    """Register everything. Raises TypeError at start-up when something is registered twice."""
    catalogue.add(EVENTS)
    for rule in (BACKUPS, PATCHES, INSPECTIONS, RECIPIENTS, RULES, HOLDS, REHEARSALS):
        reconciliation.add_rule(rule)
    rules.add(guards.every)
    for kind in (
        BackupKind(), CopyKind(), RestoreKind(), UndoKind(), ReapplyKind(), VerifyKind(), InspectKind(), ExpireKind(),
        MigrateKind(), RollbackKind(), RehearseKind(), DoctorKind(), ResolveKind(), HandoverKind(),
        CompareKind(),
    ):  # fmt: skip
        kinds.register(kind)
    register_sources()
    rehearsals.register_finder(rehearsals.Finder(newest=evidence.find, problems=evidence.problems))
    chores.register_chore("kept copies", expiry.drop_expired)
    chores.register_chore("unlisted copies", expiry.adopt, every=60.0)
    chores.register_chore("backup folders", sweeping.tidy, every=60.0)
    chores.register_chore("backup folders elsewhere", sweeping.tidy_others, every=3600.0)
    chores.register_chore("stores", checking.look_again, every=3600.0)
    chores.register_chore("missing copies", copies.ask_for_missing, every=15.0)
    chores.register_chore("patches", listing.drop_expired)
    chores.register_chore("patch folders", listing.tidy, every=60.0)
    chores.register_chore("uploads", uploads.drop_expired)
    chores.register_chore("upload folders", uploads.tidy, every=60.0)
    chores.register_chore("migration folders", folders.drop_expired)
    chores.register_chore("files of migration folders", folders.tidy, every=60.0)
    chores.register_chore("retention", passing.tick, every=10.0)
    chores.register_chore("grounds of drills", grounds.sweep, every=60.0)
    own = (
        DownloadBackup(), DownloadPatch(), SetSmokeStatement(), TrustBackup(), DeclareVersion(), AddRecipient(),
        RetireRecipient(), Rebuild(),
    )  # fmt: skip
    for change in (*own, *CHANGES):
        register_change(change)
    age_keys.register_need(recipients.needs)
    register_reader(posture.read)
    register_reader(posture.read_kept)
    register_reader(posture.read_retention)
    system.register_reader(posture.retention_of_console)
    register_reader(posture.read_encryption)
    register_reader(posture.read_copies)
    register_reader(posture.read_migrations)
    if loading.pages:
        _declare_pages()


def _declare_pages() -> None:
    from lifecycle.pages import dashboard
    from opsconsole.dashboard import register_panel
    from opsconsole.pages import navigation

    register_panel(dashboard.PANEL)
    navigation.register_item(navigation.Item(title="Retention", icon="auto_delete", link="/retention/"))
    navigation.register_item(navigation.Item(title="Uploads", icon="upload_file", link="/uploads/"))
    navigation.register_item(navigation.Item(title="Stores", icon="hard_drive", link="/stores/"))
    navigation.register_item(navigation.Item(title="Encryption", icon="encrypted", link="/encryption/"))
    from lifecycle.pages import (  # noqa: F401  (declaring them asks for the table of kinds, which is filled above)
        backups,
        doctor,
        drills,
        handovers,
        keeping,
        migrations,
        patches,
        plans,
        recipients,
        rehearsals,
        retention,
        runs,
        stores,
        uploads,
        versions,
    )
