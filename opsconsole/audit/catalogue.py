"""What can be recorded: every type of event with its sentence and the only fields that its data may hold.

A sentence is filled from the payload: {who}, {what} ("restore of savings (production)" or a title), {database},
{object}, {outcome}, {reason}, and any field of the data. An app adds its own types with `add`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MOVE = ("from", "to", "fence")  # what opsconsole.transitions says of every move


@dataclass(frozen=True)
class EventType:
    """`moves`: the event tells a new state of its operation (field `to`); a name ending in `.` is a family."""

    name: str
    sentence: str
    fields: tuple[str, ...] = ()
    moves: bool = False


_TYPES: dict[str, EventType] = {}


def add(types: Iterable[EventType]) -> None:
    """Add types to the table. Raises TypeError for a duplicate."""
    for entry in types:
        if entry.name in _TYPES:
            raise TypeError(f"the event type {entry.name} is listed twice")
        _TYPES[entry.name] = entry


def find(name: str) -> EventType | None:
    """The entry of a type, else of its family (`denied.` for `denied.vote`), else None."""
    return _TYPES.get(name) or _TYPES.get(name.partition(".")[0] + ".")


def every() -> list[EventType]:
    """All entries by name."""
    return [_TYPES[name] for name in sorted(_TYPES)]


def _move(name: str, sentence: str, *fields: str) -> EventType:
    return EventType(name, sentence, (*_MOVE, *fields), moves=True)


add(
    [
        # -- operations
        _move(
            "op.planned",
            "{who} planned the {what}",
            "digest",
            "gated",
            "votes_needed",
            "summary",
            "parameters",
            "requirement",
            "policies",
            "sentences",
            "self_confirmed",
            "retry_of",
            "risk",
        ),
        _move(
            "op.submitted",
            "{who} asked for the {what}",
            "digest",
            "votes_needed",
            "requirement",
            "sentences",
            "expires_at",
        ),
        _move("op.queued", "The {what} was queued", "digest", "self_confirmed", "waiting_for"),
        _move("op.self_confirmed", "{who} confirmed the own {what}", "digest"),
        _move(
            "op.approved", "The {what} has the votes it needs", "digest", "votes", "people", "decision", "policy_digest"
        ),
        _move("op.claimed", "A worker took up the {what}", "worker", "attempt", "queue"),
        _move("op.cancel_requested", "{who} asked to stop the {what}"),
        _move("op.lost", "The worker of the {what} was lost", "worker", "old_fence"),
        _move("op.recovered", "The {what} was recovered", "witness", "worker", "old_fence"),
        _move("op.indeterminate", "Nobody can tell how the {what} ended", "witness", "worker"),
        _move("op.resolved", "{who} settled how the {what} ended", "evidence", "outcome"),
        _move("op.succeeded", "The {what} succeeded", "summary", "result", "seconds", "witness"),
        _move("op.failed", "The {what} failed", "code", "why", "next", "witness", "seconds"),
        _move("op.cancelled", "{who} cancelled the {what}", "code", "why"),
        _move("op.rejected", "{who} rejected the {what}", "digest", "decision"),
        _move("op.expired", "The {what} expired", "why", "code"),
        _move("op.stale", "The {what} became stale", "moved", "why", "code"),
        _move("op.requeued", "The {what} was queued again", "attempt", "witness", "why"),
        EventType(
            "op.armed",
            "The {what} was armed",
            ("digest", "fence", "votes", "people", "policies", "preconditions", "policy_digest", "inputs", "grant"),
        ),
        EventType("op.settled", "{who} proposed how the {what} ended", ("outcome", "evidence")),
        # -- votes
        EventType(
            "vote.approve", "{who} approved the {what}", ("digest", "policy_digest", "vote", "auth_at", "clause")
        ),
        EventType("vote.veto", "{who} rejected the {what}", ("digest", "policy_digest", "vote", "auth_at", "clause")),
        EventType(
            "vote.withdraw", "{who} withdrew the vote on the {what}", ("digest", "policy_digest", "vote", "auth_at")
        ),
        # -- logins, tokens
        EventType("auth.login", "{who} logged in", ("backend",)),
        EventType("auth.login_failed", "A login as {object} failed", ("attempts",)),
        EventType("auth.locked", "Logins as {object} were locked for a while", ("attempts", "minutes")),
        EventType("auth.logout", "{who} logged out", ("why",)),
        EventType("auth.reauthenticated", "{who} gave the password again", ("purpose",)),
        EventType("auth.reauth_failed", "{who} was asked for the password again and failed", ("purpose",)),
        EventType("auth.password_changed", "The password of {object} was changed by {who}", ("how", "account")),
        EventType("auth.token_created", "{who} made the token {object}", ("prefix", "expires_at", "account")),
        EventType("auth.token_revoked", "{who} revoked the token {object}", ("prefix", "account")),
        EventType("auth.token_refused", "A token was refused", ("prefix", "why")),
        EventType("denied.", "{who} was refused: {object}", ("code", "why", "method", "path", "action")),
        # -- views
        EventType("data.viewed", "{who} looked at rows of {object} in {database}", ("table", "page", "rows", "masked")),
        EventType("secret.viewed", "{who} looked at a secret: {object}", ("why",)),
        # -- people and rules
        EventType("person.added", "{who} added the person {object}", ("person", "account", "login", "email", "groups")),
        EventType("person.changed", "{who} changed the person {object}", ("person", "fields", "old", "new")),
        EventType("account.added", "{who} added the login {object}", ("account", "person", "login")),
        EventType("account.deactivated", "{who} switched off the login {object}", ("account", "person")),
        EventType("account.activated", "{who} switched on the login {object}", ("account", "person")),
        EventType("account.password_reset", "{who} reset the password of {object}", ("account", "person")),
        EventType("membership.added", "{who} gave a role: {object}", ("person", "role", "owner_group", "counts_from")),
        EventType("membership.removed", "{who} took a role away: {object}", ("person", "role", "owner_group")),
        EventType(
            "policy.changed",
            "{who} set the policy {object}",
            ("policy", "name", "version", "effective_at", "match", "clauses", "min_people", "valid_minutes", "weaker"),
        ),
        EventType("environment.added", "{who} added the environment {object}", ("environment", "protected")),
        EventType(
            "environment.changed", "{who} changed the environment {object}", ("environment", "fields", "old", "new")
        ),
        EventType("bootstrap.opened", "The console began to be set up", ()),
        EventType("bootstrap.used", "{who} set something up alone: {object}", ("action", "parameters")),
        EventType("bootstrap.closed", "The setting up of the console ended", ("account", "person")),
        # -- databases
        EventType(
            "database.added",
            "{who} added the database {database}",
            ("engine", "display", "environment", "owner_group", "url_env", "queue", "tags", "identity"),
        ),
        EventType("database.changed", "{who} changed the database {database}", ("fields", "old", "new")),
        EventType("database.removed", "{who} removed the database {database}", ("identity",)),
        EventType(
            "database.checked", "{who} tested the connection of {database}", ("class", "version", "identity", "seconds")
        ),
        EventType("database.identity_changed", "{database} turned out to be another database than before", ()),
        EventType("database.noted", "{who} wrote a note about {database}", ("note", "text")),
        EventType("database.exported", "{who} exported the list of databases", ("rows", "format")),
        EventType("database.imported", "{who} imported databases", ("rows", "format")),
        # -- the history itself, the console
        EventType("audit.exported", "{who} exported the audit history", ("format", "filters", "events", "to")),
        EventType(
            "audit.verified", "{who} verified the audit history", ("verdict", "from", "to", "checkpoints", "findings")
        ),
        EventType("console.started", "The console started", ("fingerprint", "expected", "problems", "version", "part")),
        EventType(
            "console.guards_installed", "The database guards were installed", ("fingerprint", "created", "replaced")
        ),
        EventType("console.failpoints", "Failpoints are switched on", ("failpoint",)),
        EventType("key.used", "The key {object} was used", ("key_id", "purpose")),
        EventType("key.rotated", "{who} rotated the key {object}", ("old_key_id", "new_key_id")),
    ]
)
