"""`manage.py token create|list|revoke`: bearer tokens by which scripts ask in a person's name."""

from __future__ import annotations

from datetime import timedelta

from django.core.management.base import CommandParser

from opsconsole import audit, tokens
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options, password_from
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Account, Token


class Command(ConsoleCommand):
    help = "Make, list and revoke the tokens by which scripts ask in a person's name."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        making = self.verb(
            verbs,
            "create",
            self.create,
            "make a token; asks for that person's password and shows it once",
            "manage.py token create ada --name deploy-script",
        )
        making.add_argument("person", help="the login it acts for")
        making.add_argument("--name", required=True, help="where it is used")
        making.add_argument("--days", type=int, default=90, help="how long it is good for (default: 90)")
        making.add_argument("--look-only", action="store_true", help="for the HTTP API and `health`, to look only")
        making.add_argument(
            "--database", action="append", default=[], metavar="NAME", help="only for this database, to look only"
        )
        making.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        self.verb(verbs, "list", self.list, "tokens, without their secrets").add_argument(
            "person", nargs="?", default=""
        )
        self.verb(verbs, "revoke", self.revoke, "end a token for good").add_argument("prefix", help="its eight digits")

    def create(self, options: Options) -> Exit:
        account = account_called(options["person"])
        if options["days"] < 1:
            raise Usage("bad_value", "A token is good for at least one day.", "Use --days 90.")
        acting = prove(account, password_from(options, f"Password of {_prover(account)}: "))
        with audit.acting_as(audit.actor_for(acting, kind="cli", auth="shell")):
            token, text = tokens.mint(
                account, options["name"], expires_at=now() + timedelta(days=options["days"]),
                scopes=tokens.LOOKING if options["look_only"] else (), databases=options["database"],
            )  # fmt: skip
        facts = {
            "token": text,
            "name": token.name,
            "prefix": token.prefix,
            "person": account.username,
            "expires_at": token.expires_at,
        }
        self.answer(facts, text)
        self.stderr.write(f"Keep it now: it is not shown again. It is good until {token.expires_at:%Y-%m-%d}.")
        return Exit.OK

    def list(self, options: Options) -> Exit:
        rows = Token.objects.select_related("account")
        if options["person"]:
            rows = rows.filter(account=account_called(options["person"]))
        if self.account is not None:
            rows = rows.filter(account__person_id=self.account.person_id)
        facts = [
            {"prefix": row.prefix, "name": row.name, "person": row.account.username, "created_at": row.created_at,
             "expires_at": row.expires_at, "last_used_at": row.last_used_at, "revoked_at": row.revoked_at,
             "scopes": row.scopes, "databases": row.databases}
            for row in rows
        ]  # fmt: skip
        text = table(("prefix", "name", "person", "expires", "last used", "revoked"), [
            (f["prefix"], f["name"], f["person"], f["expires_at"], f["last_used_at"], f["revoked_at"]) for f in facts
        ])  # fmt: skip
        self.answer({"tokens": facts}, text)
        return Exit.OK

    def revoke(self, options: Options) -> Exit:
        token = Token.objects.select_related("account").filter(prefix=options["prefix"]).first()
        if token is None or (self.account is not None and token.account.person_id != self.account.person_id):
            raise Usage("unknown_token", f"There is no token {options['prefix']}.", "See `manage.py token list`.")
        tokens.revoke(token)
        self.answer({"prefix": token.prefix, "revoked_at": token.revoked_at}, f"The token {token} is revoked.")
        return Exit.OK


def account_called(login: str) -> Account:
    """The account of that login. Raises Usage with the list of what there is."""
    found = Account.objects.select_related("person__owner").filter(username=login, is_active=True).first()
    if found is None:
        listed = ", ".join(Account.objects.filter(is_active=True).values_list("username", flat=True)) or "none yet"
        raise Usage("unknown_person", f"There is nobody with the login {login}.", f"There are: {listed}.")
    return found


def prove(account: Account, password: str) -> Account:
    """The account whose password it is: this one, or one of the owner of a service. Raises Refused, and records it."""
    candidates = [account] if not account.person.is_service else list(
        Account.objects.filter(person=account.person.owner, is_active=True).select_related("person")
    )  # fmt: skip
    for candidate in candidates:
        if candidate.check_password(password):
            return candidate
    audit.record("auth.reauth_failed", outcome="denied", subject=account.username, data={"purpose": "token"})
    raise Refused("password_wrong", f"That is not the password of {_prover(account)}.", "Try again.")


def _prover(account: Account) -> str:
    owner = account.person.owner
    return f"{owner.name}, who owns {account.username}" if account.person.is_service and owner else account.username
