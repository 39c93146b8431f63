"""The explicit table of what this app brings: kinds, changes, pages' panels. Called once when Django starts.

A program that runs one operation (see `opsconsole.loading`) is told of the kinds, and loads those that it needs.
"""

from __future__ import annotations

from lifecycle import guards
from lifecycle.events import BACKUPS, EVENTS, HOLDS, INSPECTIONS, PATCHES, RECIPIENTS, REHEARSALS, RULES
from opsconsole import kinds, loading
from opsconsole.audit import catalogue, reconciliation
from opsconsole.triggers import rules


def register_all() -> None:
    """Register everything. Raises TypeError at start-up when something is registered twice."""
    catalogue.add(EVENTS)
    for rule in (BACKUPS, PATCHES, INSPECTIONS, RECIPIENTS, RULES, HOLDS, REHEARSALS):
        reconciliation.add_rule(rule)
    rules.add(guards.every)
    kinds.register_later(("backup",), _load_backup)
    kinds.register_later(("copy", "expire", "inspect", "verify"), _load_backups)
    kinds.register_later(("reapply", "restore", "undo"), _load_restores)
    kinds.register_later(
        ("compare", "doctor", "handover", "migrate", "rehearse", "resolve", "rollback"), _load_migrations
    )
    if loading.pages:
        kinds.every()
        _register_chores()
        _register_changes()
        _register_readers()
        _declare_pages()


def _load_backup() -> None:
    """By itself: drills read SQL, and what reads that takes longer to load than all the rest."""
    from lifecycle.kinds.backup import BackupKind

    kinds.register(BackupKind())


def _load_backups() -> None:
    from lifecycle.kinds.copy import CopyKind
    from lifecycle.kinds.expire import ExpireKind
    from lifecycle.kinds.inspect import InspectKind
    from lifecycle.kinds.verify import VerifyKind

    for kind in (CopyKind(), ExpireKind(), InspectKind(), VerifyKind()):
        kinds.register(kind)


def _load_restores() -> None:
    from lifecycle.kinds.reapply import ReapplyKind
    from lifecycle.kinds.restore import RestoreKind
    from lifecycle.kinds.undo import UndoKind

    for kind in (ReapplyKind(), RestoreKind(), UndoKind()):
        kinds.register(kind)


def _load_migrations() -> None:
    from lifecycle.kinds.compare import CompareKind
    from lifecycle.kinds.doctor import DoctorKind
    from lifecycle.kinds.handover import HandoverKind
    from lifecycle.kinds.migrate import MigrateKind
    from lifecycle.kinds.rehearse import RehearseKind
    from lifecycle.kinds.resolve import ResolveKind
    from lifecycle.kinds.rollback import RollbackKind
    from lifecycle.migrating import rehearsals
    from lifecycle.rehearsing import evidence
    from lifecycle.sources.known import register_sources

    for kind in (
        CompareKind(), DoctorKind(), HandoverKind(), MigrateKind(), RehearseKind(), ResolveKind(), RollbackKind(),
    ):  # fmt: skip
        kinds.register(kind)
    register_sources()
    rehearsals.register_finder(rehearsals.Finder(newest=evidence.find, problems=evidence.problems))


def _register_chores() -> None:
    from lifecycle.backups import expiry, sweeping
    from lifecycle.migrating import folders
    from lifecycle.patches import listing
    from lifecycle.proving import grounds
    from lifecycle.retention import passing
    from lifecycle.stores import copies
    from lifecycle.uploads import listing as uploads
    from opsconsole import chores
    from opsconsole.stores import checking

    chores.register_chore("kept copies", expiry.drop_expired)
    chores.register_chore("unlisted copies", expiry.adopt, every=60.0)
    chores.register_chore("backup folders", sweeping.tidy, every=60.0)
    chores.register_chore("backup folders elsewhere", sweeping.tidy_others, every=3600.0)
    chores.register_chore("stores", checking.look_in_background, every=3600.0)
    chores.register_chore("missing copies", copies.ask_for_missing, every=15.0)
    chores.register_chore("patches", listing.drop_expired)
    chores.register_chore("patch folders", listing.tidy, every=60.0)
    chores.register_chore("uploads", uploads.drop_expired)
    chores.register_chore("upload folders", uploads.tidy, every=60.0)
    chores.register_chore("migration folders", folders.drop_expired)
    chores.register_chore("files of migration folders", folders.tidy, every=60.0)
    chores.register_chore("retention", passing.tick, every=10.0)
    chores.register_chore("grounds of drills", grounds.sweep, every=60.0)


def _register_changes() -> None:
    from lifecycle.changes import DownloadBackup, DownloadPatch, SetSmokeStatement, TrustBackup
    from lifecycle.encryption import recipients
    from lifecycle.encryption.changes import AddRecipient, RetireRecipient
    from lifecycle.retention.changes import CHANGES
    from lifecycle.stores.changes import Rebuild
    from lifecycle.versions.changes import DeclareVersion
    from opsconsole import age_keys
    from opsconsole.changes import register_change

    own = (
        DownloadBackup(), DownloadPatch(), SetSmokeStatement(), TrustBackup(), DeclareVersion(), AddRecipient(),
        RetireRecipient(), Rebuild(),
    )  # fmt: skip
    for change in (*own, *CHANGES):
        register_change(change)
    age_keys.register_need(recipients.needs)


def _register_readers() -> None:
    from lifecycle import posture
    from lifecycle.rehearsing import heads as built
    from opsconsole import heads, system
    from opsconsole.posture import register_reader

    register_reader(posture.read)
    register_reader(posture.read_kept)
    register_reader(posture.read_retention)
    system.register_reader(posture.retention_of_console)
    register_reader(posture.read_encryption)
    register_reader(posture.read_copies)
    register_reader(posture.read_migrations)
    heads.register_reader(built.newest)


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
