"""Whether a store works: what was found is kept on its row, with the class of what keeps it from working."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from opsconsole import audit
from opsconsole.background import in_background
from opsconsole.clock import now
from opsconsole.exceptions import OpsError
from opsconsole.models import Store
from opsconsole.storage import Facts
from opsconsole.storage import Store as Opened
from opsconsole.stores import looking
from opsconsole.stores.opening import LOCAL, mark_in, note_marked, reading, require_mark, row_called


@dataclass(frozen=True, kw_only=True)
class Checked:
    """`code` is `ok` or the class of failure; `notes` are what works less well than it could."""

    name: str
    code: str
    why: str = ""
    next_step: str = ""
    refuses_doubles: bool | None = None
    free_bytes: int | None = None
    unfinished: int = 0
    notes: tuple[str, ...] = ()


def check(name: str) -> Checked:
    """Write, read and remove a small object; of a store that is only read, list it. Recorded on its row, and told."""
    found = _try(name)
    _keep(found)
    _tell(found)
    return found


def look_again() -> int:
    """Check every store that is in use; the history is told only of one that has begun to fail, or has come back."""
    rows = list(Store.objects.filter(retired_at=None))
    for row in rows:
        found = _try(row.name)
        _keep(found)
        if found.code != row.problem.get("class", "ok"):
            _tell(found)
    return len(rows)


look_in_background = in_background(
    look_again, name="stores", actor="ticker", failed="the stores could not be looked at"
)


def note(name: str, error: OpsError) -> None:
    """A store has just failed at work: nothing is tried there by itself until a check finds that it answers again."""
    if error.code.startswith("store_"):
        found = Checked(name=name, code=error.code, why=error.why, next_step=error.next_step)
        _keep(found)
        _tell(found)


def require_answer(name: str) -> None:
    """Raise OperationFailed unless a store answers within seconds. Ask it before work that would wait for minutes."""
    if name == LOCAL:
        looking.within(LOCAL, lambda: reading(LOCAL).free_bytes())
    else:
        looking.look(row_called(name), mark_in)


def failing() -> list[str]:
    """The stores that did not work when they were last tried; work at one may wait for minutes."""
    return list(Store.objects.filter(retired_at=None).exclude(problem={}).values_list("name", flat=True))


def _try(name: str) -> Checked:
    try:
        return _look(name)
    except OpsError as error:
        return Checked(name=name, code=error.code, why=error.why, next_step=error.next_step)


def _look(name: str) -> Checked:
    if name == LOCAL:
        require_answer(LOCAL)
        return _found(name, looking.within(LOCAL, lambda: reading(LOCAL).examine(), looking.WHOLE_SECONDS))
    row = row_called(name)
    if not row.writable:
        looking.look(row, lambda opened: opened.folders("backups", depth=1))
        return Checked(name=name, code="ok", notes=("It is only read; nothing was written to try it.",))

    def examine(opened: Opened) -> Facts:
        facts = opened.examine()
        require_mark(row, opened)
        return facts

    facts = looking.look(row, examine)
    note_marked(row)
    return _found(name, facts)


def _found(name: str, facts: Facts) -> Checked:
    return Checked(
        name=name, code="ok", refuses_doubles=facts.refuses_doubles, free_bytes=facts.free_bytes,
        unfinished=facts.unfinished, notes=tuple(_notes(facts.refuses_doubles, facts.unfinished)),
    )  # fmt: skip


def _notes(refuses_doubles: bool, unfinished: int) -> list[str]:
    found = []
    if not refuses_doubles:
        found.append(
            "The server does not heed conditional puts, so the console looks before it publishes a manifest: let no "
            "other program write under this prefix."
        )
    if unfinished:
        found.append(
            f"{unfinished} uploads were begun and not ended. Those of running backups are; of others, a rule of the "
            "bucket that aborts incomplete uploads after a few days frees the room (docs/backups.md)."
        )
    return found


def _facts(found: Checked) -> dict[str, object]:
    return {"refuses_doubles": found.refuses_doubles, "free_bytes": found.free_bytes, "unfinished": found.unfinished}


def _keep(found: Checked) -> None:
    rows = Store.objects.filter(name=found.name)
    if found.code == "ok":
        rows.update(facts=_facts(found), problem={}, checked_at=now())
    else:
        problem = {"class": found.code, "why": found.why, "next": found.next_step}
        rows.update(problem=problem, checked_at=now())


def _tell(found: Checked) -> None:
    row = Store.objects.filter(name=found.name).first()
    data = {"class": found.code, **_facts(found), **({"store": row.pk} if row else {})}
    audit.record("store.checked", subject=found.name, outcome="ok" if found.code == "ok" else "failed", data=data)


def as_json(found: Checked) -> dict[str, object]:
    facts = asdict(found)
    return {"store": facts.pop("name"), "class": facts.pop("code"), "next": facts.pop("next_step"), **facts}
