"""Who looks on while one unit runs: counts rows, guards the ledger, limits time, and stops what nobody announced."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lifecycle.migrating import counting, patience
from lifecycle.migrating.counting import Counted, Shrunk
from lifecycle.migrating.ledgers import Given, names_of
from lifecycle.migrating.running import Watch
from lifecycle.sources.acts import Act, Unit
from lifecycle.sources.base import Ledger
from opsconsole.engines.scripting import Script, ScriptFailed
from opsconsole.exceptions import Moved, OperationFailed, Stale
from opsconsole.kinds import Run
from opsconsole.plans import USUAL_GROWTH

TELL_SECONDS = 2.0
TIMEOUT = "57014"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the plan allows. `announced` are tables that may lose rows, and how many at most (None: any number)."""

    announced: Mapping[str, int | None]
    guarded: frozenset[str]
    limits: patience.Limits
    tries: int  # for a lock that is not free

    def is_guarded(self, table: str) -> bool:
        return bool({table.lower(), table.lower().rpartition(".")[2]} & self.guarded)

    def allow(self, loss: Shrunk) -> bool:
        """Whether the plan has announced that so many rows of a table go, or by now a few more of them."""
        most = self.announced.get(loss.table, 0)
        return most is None or loss.lost <= most or (most > 0 and USUAL_GROWTH.allows(most, loss.lost))


@dataclass
class Look:
    """What was seen of one unit."""

    before: Counted | None = None
    after: Counted | None = None
    alone: bool = False  # counted inside the transaction that holds its texts
    shrunk: list[Shrunk] = field(default_factory=list)
    reached: bool = False  # its first act, so that the ledger's table is there
    touched: bool = False  # an act has run that no rollback takes back
    announced: bool = False
    ledgers: frozenset[str] = frozenset()  # names of the ledger's own table

    def rows(self) -> dict[str, list[int | None]]:
        """Rows before and after by table, the ledger left out."""
        if self.before is None or self.after is None:
            return {}
        found = self.before.after(self.after).items()
        return {name: [was, now] for name, (was, now, _) in found if name.lower() not in self.ledgers}


@dataclass
class Watcher:
    """Watches the units of one run, one after another. `expected` is how many rows the ledger has to have."""

    run: Run
    script: Script
    given: Given
    rules: Rules
    expected: int
    announce: Callable[[Unit], None]  # before an atomic unit commits; of others, before their first act
    look: Look = field(default_factory=Look)
    _began: float = 0.0
    _told: float = 0.0
    _until: float = 0.0
    _tries: int = 0
    _ledger_table: str = ""

    def begin(self) -> None:
        """Another unit comes."""
        self.look, self._began, self._tries = Look(), time.monotonic(), 0

    def again_from_the_start(self) -> None:
        """The unit is tried anew: nothing of it was done."""
        self.look = Look()

    def watch(self, unit: Unit) -> Watch:
        return Watch(
            tick=lambda: self.tick(unit), before=self.before, after=self.after, before_commit=self.before_commit,
            again=self.again,
        )  # fmt: skip

    def tick(self, unit: Unit) -> None:
        """Called often while a text runs. Raises Cancelled, or ScriptFailed for a text that takes too long."""
        at = time.monotonic()
        self.run.check_cancel()
        if at - self._told > TELL_SECONDS:
            self._told = at
            self.run.progress(int(at - self._began), 0, "s", step=unit.title)
        if self._until and at > self._until and self.script.vendor == "sqlite":
            raise ScriptFailed("It took longer than statements of its class may.", code=TIMEOUT)

    def before(self, unit: Unit, act: Act) -> None:
        if not self.look.reached:
            self._see_ledger(unit)
            self.look.before = counting.count(self.script)
            if not unit.atomic:
                self._announce(unit)
            self.look.reached = True
        if not self.script.in_transaction:
            self.look.touched = True
        if act.script:
            self._limit(self.rules.limits.of(act.sql))

    def after(self, unit: Unit, act: Act, seconds: float) -> None:
        if act.script:
            self._limit(0)
            self.run.failpoint("migrate.in_tx")

    def before_commit(self, unit: Unit) -> None:
        """After the last text. What is not announced is rolled back where there is a transaction for it."""
        self._limit(0)
        look = self.look
        look.alone = self.script.in_transaction
        self.count_after(since=look.before if unit.atomic else None)
        if not look.alone:
            return
        for loss in look.shrunk:
            if loss.ours and not self.rules.allow(loss):
                raise OperationFailed("unannounced_loss", _unannounced(loss, unit), _NEXT)
        if unit.atomic:
            if not self.given.source.landed(unit, self._ledger()):
                why = f"After {unit.title.lower()} the ledger does not say that it is done."
                raise OperationFailed("ledger_differs", why, "Look at the ledger, then plan again.")
            self._announce(unit)

    def count_after(self, *, since: Counted | None = None) -> None:
        """Count again, and tell which tables have become smaller. `since` is what was counted in this transaction."""
        look = self.look
        if look.before is None:
            return
        look.after = counting.count(self.script, since=since)
        ours = counting.alone_with(self.script) if look.alone else frozenset[int]()
        look.ledgers = self._ledger_names()
        found = counting.shrunk(look.before, look.after, ours=ours)
        look.shrunk = [loss for loss in found if loss.table.lower() not in look.ledgers]

    def again(self, unit: Unit, act: Act, error: ScriptFailed) -> bool:
        """Whether a text that met a lock is tried again by itself: outside a transaction, and surely without effect."""
        sure = self.script.vendor == "postgresql" and patience.leaves_nothing(act.sql)
        if not error.locked or self.script.in_transaction or not sure:
            return False
        return self.wait(unit)

    def wait(self, unit: Unit) -> bool:
        """Wait for whoever holds a lock; False when it was tried often enough."""
        self._tries += 1
        if self._tries >= self.rules.tries:
            return False
        self.run.log(f"{unit.title}: a lock is not free; trying again ({self._tries + 1} of {self.rules.tries}).")
        until = time.monotonic() + min(2.0**self._tries, 15.0)
        while time.monotonic() < until:
            self.tick(unit)
            time.sleep(0.1)
        return True

    def _announce(self, unit: Unit) -> None:
        self.announce(unit)
        self.look.announced = True

    def _ledger_names(self) -> frozenset[str]:
        """The ledger's own table, whose rows come and go with migrations."""
        return names_of(self._ledger_table)

    def _ledger(self) -> Ledger:
        ledger = self.given.ledger(self.script)
        self._ledger_table = ledger.table
        return ledger

    def _see_ledger(self, unit: Unit) -> None:
        """The ledger once more, in the transaction if there is one: the tool may have run meanwhile. Raises Stale."""
        if self.script.in_transaction and self.script.vendor == "postgresql" and not self._tool_locks():
            self._keep_others_out(self._ledger())
        ledger = self._ledger()
        if len(ledger.rows) != self.expected or self.given.source.landed(unit, ledger):
            said = f"the ledger {ledger.table} has been written by somebody else since this was planned"
            raise Stale([Moved("the ledger", f"{self.expected} rows", f"{len(ledger.rows)} rows", said=said)])

    def seen(self) -> None:
        """A unit is done: the next one finds the ledger as it is now."""
        self.expected = len(self._ledger().rows)

    def _keep_others_out(self, ledger: Ledger) -> None:
        names = [part.strip('"').replace('"', '""') for part in ledger.table.split(".")]
        if ledger.exists:
            quoted = ".".join(f'"{name}"' for name in names).replace("%", "%%")
            self.script.write(f"LOCK TABLE {quoted} IN SHARE ROW EXCLUSIVE MODE")

    def _tool_locks(self) -> bool:
        return bool(self.given.source.locks(self.given.place, self.given.options))

    def _limit(self, seconds: int) -> None:
        """For what comes next. The server keeps the time of its statements, we that of SQLite's."""
        self._until = time.monotonic() + seconds if seconds else 0.0
        if self.script.vendor == "postgresql":
            self.script.write(f"SET statement_timeout = {seconds * 1000}")


_NEXT = (
    "Look which statement takes these rows (a cascade, a trigger), rehearse it, and say so in the SQL; or take the "
    "statement out."
)


def _unannounced(loss: Shrunk, unit: Unit) -> str:
    went = "would be gone" if loss.gone else f"would have {loss.after} rows instead of {loss.before}"
    return (
        f"{loss.table} {went} after {unit.title.lower()}, and the plan did not announce it; all of it was rolled back."
    )
