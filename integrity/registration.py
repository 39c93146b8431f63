"""The explicit table of what this app brings: kinds, kinds of rules, changes, pages' panels. Called once at start."""

from __future__ import annotations

from integrity import guards
from integrity.events import EVENTS, REPORTS, RULES
from opsconsole import ciphers, kinds, loading
from opsconsole.audit import catalogue, reconciliation
from opsconsole.triggers import rules
from opsconsole.verify_audit import Report


def register_all() -> None:
    """Register everything. Raises TypeError at start-up when something is registered twice."""
    catalogue.add(EVENTS)
    for rule in (REPORTS, RULES):
        reconciliation.add_rule(rule)
    reconciliation.add_comparison(_compare)
    rules.add(guards.every)
    kinds.register_later(("check", "fix", "unfix"), _load_kinds)
    ciphers.add_column(ciphers.SealedColumn("integrity.Fix", "key_sealed"))
    if loading.pages:
        kinds.every()
        _register_chores()
        _register_changes()
        _register_readers()
        _register_packs()
        _declare_pages()


def _compare(told: Report) -> None:
    from integrity.reporting import proving
    from integrity.rules import proving as rules_proving

    proving.compare(told)
    rules_proving.compare(told)


def _load_kinds() -> None:
    from integrity.kinds.check import CheckKind
    from integrity.kinds.fix import FixKind
    from integrity.kinds.unfix import UnfixKind
    from integrity.rules.known import register_kinds

    register_kinds()
    for kind in (CheckKind(), FixKind(), UnfixKind()):
        kinds.register(kind)


def _register_chores() -> None:
    from integrity.fixing import keeping as fixes
    from integrity.health import keeping, ticking
    from opsconsole import chores

    chores.register_chore("what fixes changed", fixes.drop_expired)
    chores.register_chore("health", ticking.begin, every=2.0)
    chores.register_chore("samples of health", keeping.thin, every=3600.0)


def _register_changes() -> None:
    from integrity.changes import SetRules
    from opsconsole.changes import register_change

    register_change(SetRules())


def _register_readers() -> None:
    from integrity import posture
    from integrity.health import posture as health
    from opsconsole.posture import register_reader

    register_reader(posture.read)
    register_reader(health.read)


def _register_packs() -> None:
    from integrity.packs.loading import RulesLoader
    from opsconsole.packs import register_loader

    register_loader(RulesLoader())


def _declare_pages() -> None:
    from integrity.pages import dashboard
    from opsconsole.dashboard import register_panel

    register_panel(dashboard.PANEL)
    from integrity.pages import (  # noqa: F401  (declaring them asks for the table of kinds, which is filled above)
        downloads,
        endpoints,
        fixes,
        health,
        reports,
        rules,
        shape,
    )
