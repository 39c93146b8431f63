"""Connections to a PostgreSQL server, and what their failures mean in the classes of `database check`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from opsconsole.engines.base import Address
from opsconsole.engines.labels import Label
from opsconsole.engines.postgresql.address import TLS_MODES, parameters
from opsconsole.exceptions import OperationFailed, OpsError, TargetProblem

Connection = psycopg.Connection[TupleRow]

CONNECT_SECONDS = 10
CONFLICT = "40001"  # also of rows that another transaction has changed
OLDEST, NEWEST = 14, 18  # majors of servers that are supported

# Values are written the same way whatever the database or the role prefers, or two copies could not be compared.
WRITTEN = {"TimeZone": "UTC", "bytea_output": "hex", "lc_monetary": "C"}

# Every session: nothing found by name outside pg_catalog, and a server that notices within seconds that we are gone.
COMMON = WRITTEN | {
    "search_path": "",
    "standard_conforming_strings": "on",  # or a text that was read before would be taken apart in another way
    "idle_session_timeout": "0",
    "client_connection_check_interval": "2s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
}
LOOK = {  # short reads for pages and plans
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_read_only": "on",
}
LONG = {  # reads and loads that take as long as they take; the run's deadline bounds them
    "statement_timeout": "0",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}
WRITE = LONG | {"lock_timeout": "5s", "default_transaction_read_only": "off", "synchronous_commit": "on"}

_FAILURES = (  # libpq gives no SQLSTATE for a failed connection, so its words decide; the first match wins
    ("dns", r"could not translate host name|Name or service not known|name resolution|No address associated"),
    ("timeout", r"timeout expired|timed out"),
    ("missing", r'database ".*" does not exist'),
    (
        "password",
        r'password authentication failed|no password supplied|fe_sendauth|role ".*" does not exist|'
        r"Peer authentication failed|Ident authentication failed|SASL authentication failed|no such user",
    ),
    (
        "permission",
        r"no pg_hba\.conf entry|permission denied for database|not permitted to log in|too many connections",
    ),
    ("tls", r"SSL|certificate|channel binding|TLS"),
    ("refused", r"."),
)
_NEXT = {
    "dns": "Check the host name in the URL and this machine's name service.",
    "timeout": "Check the address, the port and the firewalls between this machine and the server.",
    "missing": "Check the database name in the URL.",
    "password": "Check the user name and the password, and store the URL again.",
    "permission": "Allow this role to connect to this database from here (pg_hba.conf, GRANT CONNECT, limits).",
    "tls": "Install the server's certificate authority here, or say in the URL which sslmode this network needs.",
    "refused": "Check that the server runs and listens at this address and port.",
    "locked": "See who holds the table (pg_locks, pg_stat_activity), end it or let it finish, then ask again.",
    "conflict": "Ask again. Where it happens often, set hot_standby_feedback = on there or raise "
    "max_standby_streaming_delay; or ask the primary.",
    "server_disk_full": "Free space on the disk of the database server, then ask for the operation again.",
}


_TIME_LIMITS = frozenset({"57P05", "25P03", "25P04"})  # the server ended the session by a limit of its own
_MOMENTARY = (  # what passes by itself, or soon with a little help: a next step of its own
    (r"too many clients|remaining connection slots", "End idle sessions on the server, then try again."),
    (r"is starting up|shutting down|recovery mode|not yet accepting", "Wait until the server is up, then try again."),
    (
        r"server closed the connection|connection is closed|connection (?:is|was) lost|terminating connection"
        r"|could not (?:receive|send) data|reset by peer|EOF detected|Broken pipe",
        "Look at the server's log and at the network in between, then ask again.",
    ),
)


class Connector:
    """Opens sessions with one address's parameters, all named by the same label."""

    def __init__(self, address: Address, label: str) -> None:
        self.database = address.name
        self.parameters = parameters(address) | {
            "application_name": label[:63],
            "connect_timeout": str(CONNECT_SECONDS),
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "client_encoding": "UTF8",
        }

    def label(self, operation: int, fence: int = 0) -> Label:
        """The label of a run of this console, whose sessions these are."""
        return Label.beside(self.parameters["application_name"], operation, fence)

    def hasty(self, seconds: float) -> Connector:
        """One that gives up on a server, or on a network that swallows everything, after `seconds`."""
        other = copy(self)
        limits = {"connect_timeout": str(max(2, round(seconds))), "tcp_user_timeout": str(int(seconds * 1000))}
        other.parameters = self.parameters | limits
        return other

    @property
    def needs_tls(self) -> bool:
        return self.parameters["sslmode"] in TLS_MODES

    def open(self, settings: Mapping[str, str] = LOOK, *, database: str | None = None) -> Connection:
        """An autocommit session in `database` (default: the address's own). Raises TargetProblem."""
        return self.open_plain(COMMON | dict(settings), database=database)

    def open_plain(self, settings: Mapping[str, str], *, database: str | None = None) -> Connection:
        """`open` with nothing but these settings: in all others the session is like those of the role's programs."""
        wanted: dict[str, Any] = {**self.parameters, "dbname": database or self.database}
        try:
            connection = psycopg.connect(**wanted, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError as error:
            raise problem(error, self.parameters.get("password", "")) from error
        try:
            apply(connection, settings)
        except psycopg.Error as error:
            connection.close()
            raise problem(error, self.parameters.get("password", "")) from error
        return connection

    @contextmanager
    def session(self, settings: Mapping[str, str] = LOOK, *, database: str | None = None) -> Iterator[Connection]:
        """`open`, closed at the end; the server's errors come out as TargetProblem."""
        connection = self.open(settings, database=database)
        try:
            yield connection
        except psycopg.Error as error:
            raise problem(error, self.parameters.get("password", "")) from error
        finally:
            connection.close()


def apply(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set session settings, each quoted, in one round trip. Settings that this server does not know are left out."""
    connection.execute(
        "SELECT set_config(s.name, w.value, false) FROM unnest(%s::text[], %s::text[]) AS w(name, value)"
        " JOIN pg_catalog.pg_settings s ON lower(s.name) = lower(w.name)",
        (list(settings), list(settings.values())),
    )


def problem(error: psycopg.Error, secret: str = "") -> OpsError:
    """The class, the server's own words in one line, and what to do about it.

    Only the message itself: details and context of the server quote values of rows.
    """
    text = " ".join((error.diag.message_primary or str(error)).split()) or type(error).__name__
    if secret:
        text = text.replace(secret, "***")
    if isinstance(error, psycopg.errors.DiskFull):
        return OperationFailed("server_disk_full", f"The server's disk is full: {text}", _NEXT["server_disk_full"])
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return TargetProblem("permission", f"The server refused: {text}", "Give the role the rights it lacks.")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return TargetProblem("locked", f"Another session holds a lock for too long: {text}", _NEXT["locked"])
    if isinstance(error, psycopg.errors.QueryCanceled) or error.sqlstate in _TIME_LIMITS:
        return TargetProblem("timeout", f"The server took too long: {text}", "Look for locks, then try again.")
    if is_conflict(error):
        return TargetProblem("conflict", f"The standby ended it so as to follow its primary: {text}", _NEXT["conflict"])
    if error.sqlstate and error.sqlstate[:2] not in {"08", "53", "57"}:
        return TargetProblem("refused", f"The server answered with an error: {text}", "Read the message of the server.")
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return TargetProblem("timeout", f"The server did not answer: {text}", _NEXT["timeout"])
    code = next(code for code, pattern in _FAILURES if re.search(pattern, text))
    momentary = (step for pattern, step in _MOMENTARY if code == "refused" and re.search(pattern, text))
    return TargetProblem(code, f"No connection: {text}", next(momentary, _NEXT[code]))


def major_of(version_number: int) -> int:
    return version_number // 10000


def is_conflict(error: psycopg.Error) -> bool:
    """Whether a standby ended a statement, or its session, that kept it from following its primary."""
    fatal = error.diag.severity_nonlocalized == "FATAL"
    return error.sqlstate == CONFLICT and (fatal or "conflict with recovery" in (error.diag.message_primary or ""))


def check_version(version_number: int) -> None:
    """Raises TargetProblem("version") for a server that is not supported."""
    if not OLDEST <= major_of(version_number) <= NEWEST:
        raise TargetProblem(
            "version",
            f"The server is PostgreSQL {major_of(version_number)}; {OLDEST} to {NEWEST} are supported.",
            "Upgrade the server." if major_of(version_number) < OLDEST else "Upgrade the console.",
        )
