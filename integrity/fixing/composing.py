"""The plan of a fix: the findings asked again, the exact rows of each proposal, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from integrity.checks import moments
from integrity.checks.base import Found, Moment, named
from integrity.fixing import asking, choosing, comparing, following, hopeless, parts, risks, selecting
from integrity.fixing.actions import CREATE_INDEX, DELETE, EVERY, ON_ROWS
from integrity.fixing.laid import Choice, Laid
from integrity.fixing.parts import Part
from integrity.fixing.selecting import Room, readable
from integrity.fixing.statements import Statement
from integrity.rules import in_force
from integrity.scanning.answering import Budget
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine, Identity
from opsconsole.exceptions import Refused
from opsconsole.kinds import Request
from opsconsole.models import Database
from opsconsole.plans import Confirmation, Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target

SECONDS = 120.0  # that one question may take while somebody waits for the plan


def plan_of(kind: str, request: Request) -> Plan:
    """Raises Refused, Usage or TargetProblem."""
    database, engine = request.database, engine_for(request.database)
    identity = engine.identity()
    with readable(database.name):
        laid = _lay_out(database, engine, request)
    return _composed(kind, request, engine, identity, laid)


def _lay_out(database: Database, engine: Engine, request: Request) -> Laid:
    rules = in_force.rules_of(database)
    wanted = choosing.wanted(database, request.parameters, rules)
    with moments.opened(engine, database.name, seconds=SECONDS) as moment:
        told = asking.ask(moment, wanted, rules, Budget(seconds=SECONDS))
        one = len(wanted) == 1 and not request.parameters["names"]
        choices = [
            replace(_choice(each, request.parameters["action"], one), rule=comparing.rule_digest(rules, each.check))
            for want in wanted
            for each in asking.told_of(told, want)
            if isinstance(each, Found)
        ]
        if not choices:
            raise Refused(
                "sound_by_now", f"What was found in {database.name} is not there any more.", "Check it again."
            )
        room = Room(masked_columns=database.masked_columns, taken={})
        found = _parts(moment, choices, room)
        touched = dict.fromkeys(part.table for part in found)
        structure, ask = moment.structure, moment.inquiry.ask
        rows = {table: int(ask(f"SELECT count(*) FROM {named(structure, table)}")[0][0]) for table in touched}
        hopeless.refuse_homeless(moment, found)
        stuck, unknown = risks.stuck(moment, found), hopeless.refuse_hopeless(moment, choices, SECONDS)
    return Laid(
        structure=structure,
        choices=tuple(choices),
        parts=tuple(following.ordered(structure, found)),
        statements=tuple(_statement(each) for each in choices if each.proposal.action not in ON_ROWS),
        rows=rows,
        stuck=tuple(stuck),
        unknown=tuple(unknown),
        left=choosing.left_over(database, request.parameters, rules),
    )


def _statement(choice: Choice) -> Statement:
    found, proposal = choice.found, choice.proposal
    return Statement(
        check=found.check, subject=found.subject, action=proposal.action, words=proposal.words, table=proposal.table,
        sql=proposal.statement,
    )  # fmt: skip


def _choice(found: Found, action: str, one: bool) -> Choice:
    """The proposal that is carried out: the one that was asked for, or the first. Raises Refused."""
    if found.failed:
        raise Refused("not_read", found.sentence, found.next_step)
    offered = [each for each in found.proposals if each.action in EVERY and (each.statement or each.action in ON_ROWS)]
    fitting = [each for each in offered if not action or each.action == action]
    if not fitting:
        listed = ", ".join(dict.fromkeys(each.action for each in offered))
        raise Refused(
            "no_proposal",
            f"Nothing {'of that kind ' if action else ''}is proposed for: {found.sentence}",
            f"Choose one of: {listed}." if listed else found.next_step,
        )
    if one and len(fitting) > 1:
        listed = ", ".join(dict.fromkeys(each.action for each in fitting))
        raise Refused("several_proposals", f"Several are proposed: {listed}.", "Choose one with action=.")
    return Choice(found=found, proposal=fitting[0])


def _parts(moment: Moment, choices: Sequence[Choice], room: Room) -> list[Part]:
    """Deletions first, with what goes along, so that a row that goes is not changed before."""
    on_rows = [choice for choice in choices if choice.proposal.action in ON_ROWS]
    by_kind = sorted(on_rows, key=lambda choice: choice.proposal.action != DELETE)
    deleting = [choice for choice in by_kind if choice.proposal.action == DELETE]
    found = [_part(moment, choice, room) for choice in deleting]
    found += following.follow(moment, found, room)
    found += [_part(moment, choice, room) for choice in by_kind[len(deleting) :]]
    kept = [part for part in found if part.aims]
    if not kept and len(on_rows) == len(choices):
        raise Refused("sound_by_now", "No row is left to be set right.", "Check the database again.")
    return kept


def _part(moment: Moment, choice: Choice, room: Room) -> Part:
    return selecting.part_of(moment, choice.proposal, choice.found.check, choice.found.subject, room)


def _composed(kind: str, request: Request, engine: Engine, identity: Identity, laid: Laid) -> Plan:
    database, deleted, changed = request.database, Counter[str](), Counter[str]()
    for part in laid.parts:
        (deleted if part.deletes else changed)[part.table] += len(part.aims)
    words = _words(deleted.total(), changed.total(), sorted({*deleted, *changed}), laid.statements)
    cost = Confirmation(
        sentence=f"You would {_cost(deleted.total(), changed.total())}.",
        number=deleted.total() + changed.total(),
        counts="rows that are deleted or changed",
    )
    return Plan(
        kind=kind,
        summary=f"In {database.name}, {words}.",
        targets=(plan_target(database, identity),),
        parameters={
            **request.parameters,
            "findings": _findings(laid),
            **parts.sealed(laid.parts),
            "statements": [each.to_json() for each in laid.statements],
        },
        steps=_steps(engine, laid),
        effects=(
            *(_effect(table, rows, deleted, changed, laid) for table, rows in laid.rows.items()),
            *_effects_of(laid),
        ),
        preconditions=(
            Precondition(probe="identity", subject="target", value=identity.key),
            Precondition(probe="incarnation", subject="target", value=identity.incarnation),
            Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
        ),
        risk="high" if any(part.along for part in laid.parts) else "medium" if laid.parts else "low",
        risk_reasons=tuple(risks.reasons(laid)),
        way_back=risks.way_back(database, engine, laid),
        confirmation=cost if laid.parts else None,
    )


def _effects_of(laid: Laid) -> list[Effect]:
    """What statements do to tables whose rows do not change."""
    found: dict[str, list[str]] = {}
    for each in laid.statements:
        if each.table not in laid.rows:
            found.setdefault(each.table or "the database", []).append(each.words)
    return [Effect(object=table, action="kept", note="; ".join(words)) for table, words in found.items()]


def _findings(laid: Laid) -> list[dict[str, Any]]:
    return [
        {
            "check": choice.found.check, "subject": choice.found.subject, "sentence": choice.found.sentence,
            "count": choice.found.count, "action": choice.proposal.action, "words": choice.proposal.words,
            "rule": choice.rule,
        }
        for choice in laid.choices
    ]  # fmt: skip


def _steps(engine: Engine, laid: Laid) -> tuple[Step, ...]:
    sets = [
        Step(
            title=f"{'Delete' if part.deletes else 'Change'} {risks.rows(len(part.aims))} of {part.table}",
            detail=_detail(part),
            sql=engine.wording.statement(laid.structure.relations[part.table], part.columns, delete=part.deletes),
            artifact=part.digest,
        )
        for part in laid.parts
    ]
    look = Step(
        title="Begin one transaction and look at every row again",
        detail="Each must hold what it held, and still be one of its finding's; writers of these tables wait.",
    )
    keep = Step(title="Keep what the rows held, encrypted, and commit", commit_point=True)
    rows = (look, *sets, keep) if sets else ()
    then = [
        Step(title=each.words, detail=_about(each), sql=each.sql, commit_point=not sets and not number)
        for number, each in enumerate(laid.statements)
    ]  # fmt: skip
    return (*rows, *then, Step(title="Ask the same checks and rules again"))


def _about(statement: Statement) -> str:
    again = " What an earlier try of this very statement left unfinished is dropped first."
    return (
        f"of {statement.check}: {statement.subject}. It commits by itself.{again * (statement.action == CREATE_INDEX)}"
    )


def _detail(part: Part) -> str:
    said = part.along or f"of {part.check}: {part.subject}"
    more = (
        f"; {part.left_out} more {'are' if part.left_out > 1 else 'is'} in another step already"
        if part.left_out
        else ""
    )
    return f"{said}{more}."


def _effect(table: str, rows: int, deleted: Counter[str], changed: Counter[str], laid: Laid) -> Effect:
    along = sum(len(part.aims) for part in laid.parts if part.along and part.table == table)
    gone = deleted[table]
    notes = [f"{risks.rows(changed[table])} more get another value"] * bool(gone and changed[table])
    notes += [f"{along} of them go along with rows of other tables"] * bool(along)
    return Effect(
        object=table,
        action="reduced" if gone else "changed",
        rows_before=rows,
        rows_after=rows - gone,
        lost=gone,
        changed=changed[table],
        note="; ".join(notes),
    )


def _words(deleted: int, changed: int, tables: Sequence[str], statements: Sequence[Statement]) -> str:
    gone = f"{risks.rows(deleted)} {'is' if deleted == 1 else 'are'} gone"
    other = f"{risks.rows(changed)} {'has' if changed == 1 else 'have'} another value"
    said = [gone] * bool(deleted) + [other] * bool(changed)
    rows = [f"{' and '.join(said)} ({', '.join(tables)}), and no other row is touched"] if said else []
    ran = f"this is done: {'; '.join(each.words for each in statements)}{'' if said else '. No row changes'}"
    return "; then ".join(rows + [ran] * bool(statements))


def _cost(deleted: int, changed: int) -> str:
    """With the number that an approver types, which is that of both."""
    said = [f"delete {risks.rows(deleted)}"] * bool(deleted) + [f"change {risks.rows(changed)}"] * bool(changed)
    return " and ".join(said) + f", {deleted + changed} in all" * (len(said) > 1)
