"""Bearer tokens: made by their owner after the password was asked, shown once, kept as a hash. They never vote.

A token reads `ops_PREFIX_SECRET`: eight hexadecimal digits by which its row is found, and 256 random bits, so one
round of SHA-256 is enough to keep it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from opsconsole import audit, wording
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Token
from opsconsole.permissions import ACTIONS, visible_databases

_FORM = re.compile(r"ops_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
LOOKING = ("see",)  # the scopes of a token that asks for nothing
_TOUCH = timedelta(minutes=1)  # how exactly the last use is kept


@transaction.atomic
def mint(
    account: Account,
    name: str,
    *,
    expires_at: datetime | None = None,
    scopes: Sequence[str] = (),
    databases: Sequence[str] = (),
) -> tuple[Token, str]:
    """A new token and its text, which cannot be had again. The caller has just proved the account's password.

    `scopes` and `databases` narrow it (see `Token`). One for some databases only looks, for an operation on one of them
    may read others. Raises Usage for what is none, and Refused while the account's password is still the one-time one,
    which somebody else knows.
    """
    if not name.strip() or len(name) > 80:
        raise Usage(
            "bad_name", "A token needs a name of at most 80 characters.", "Say where it is used, like deploy-script."
        )
    wording.refuse_reordering(name)
    if account.must_change_password:
        raise Refused(
            "password_not_own", f"The password of {account.username} is a one-time one that somebody else has seen.",
            "Log in with the browser and set a password of your own first.",
        )  # fmt: skip
    scopes = scopes or (LOOKING if databases else ())
    narrowed = {"scopes": sorted(set(scopes)), "databases": _known(account, databases)}
    if unknown := set(scopes) - set(ACTIONS) | set(scopes) & {"vote"}:
        raise Usage("bad_scope", f"A token cannot be for {', '.join(sorted(unknown))}.", "Use see.")
    prefix = secrets.token_hex(4)
    text = f"ops_{prefix}_{secrets.token_urlsafe(32)}"
    token = Token.objects.create(
        account=account, name=name.strip(), prefix=prefix, sha256=_digest(text), created_at=now(),
        expires_at=expires_at, **narrowed,
    )  # fmt: skip
    told = {"prefix": prefix, "account": account.pk, "expires_at": expires_at.isoformat() if expires_at else ""}
    told |= {name: words for name, words in narrowed.items() if words}
    audit.record("auth.token_created", subject=str(token), data=told)
    return token, text


def owner_of(text: str) -> tuple[Account, Token]:
    """Whose token this is. Raises Refused, and records it, for one that is unknown, revoked or expired."""
    form = _FORM.fullmatch(text.strip())
    token = Token.objects.select_related("account__person__owner").filter(prefix=form[1]).first() if form else None
    why = _why_not(token, text.strip())
    if token is None or why:
        audit.record("auth.token_refused", outcome="denied", data={"prefix": form[1] if form else "", "why": why})
        raise Refused("token_refused", f"The token is refused: {why}.", "Make a new one with `token create PERSON`.")
    at = now()
    if token.last_used_at is None or at - token.last_used_at > _TOUCH:
        Token.objects.filter(pk=token.pk).update(last_used_at=at)
    return token.account, token


def allows(token: Token, action: str, database: Database | None = None) -> bool:
    """Whether a token is for that: one of some databases is for nothing that has none."""
    if token.scopes and action not in token.scopes:
        return False
    return not token.databases or (database is not None and database.name in token.databases)


@transaction.atomic
def revoke(token: Token) -> Token:
    """End a token for good. Raises Refused when it was revoked already."""
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now()) != 1:
        raise Refused("revoked_already", f"The token {token} was revoked already.", "")
    audit.record("auth.token_revoked", subject=str(token), data={"prefix": token.prefix, "account": token.account_id})
    token.refresh_from_db()
    return token


def _why_not(token: Token | None, text: str) -> str:
    if token is None or not hmac.compare_digest(token.sha256, _digest(text)):
        return "nobody made it"
    if token.revoked_at is not None:
        return "it was revoked"
    if token.expires_at is not None and token.expires_at <= now():
        return "its time is over"
    if not token.account.is_active:
        return "its account is switched off"
    owner = token.account.person.owner
    if token.account.person.is_service and not (owner and owner.accounts.filter(is_active=True).exists()):
        return "its service's owner has no login that is on"
    return ""


def _known(account: Account, names: Sequence[str]) -> list[str]:
    """The names, sorted. Raises Usage for a database that the account does not see."""
    wanted = set(names)
    seen = set(visible_databases(account).filter(name__in=wanted).values_list("name", flat=True))
    if unknown := sorted(wanted - seen):
        raise Usage(
            "unknown_database", f"{account.username} sees no database called {unknown[0]}.",
            "Name databases of its owner groups, or none for all.",
        )  # fmt: skip
    return sorted(wanted)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
