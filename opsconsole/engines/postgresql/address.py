"""URLs of PostgreSQL databases: which ones are taken, and the connection parameters they mean.

Only the keys below may appear. What could read another file, reach another host or change the session behind the
console's back (service, passfile, sslkey, options, hostaddr, ...) is refused by name.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from opsconsole.engines.base import Address, Likeness
from opsconsole.exceptions import TargetProblem

SCHEMES = frozenset({"postgres", "postgresql"})
KEYS = frozenset(
    {"host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "channel_binding", "require_auth"}
)
TLS_MODES = frozenset({"require", "verify-ca", "verify-full"})
SYSTEM_SOCKETS = (Path("/run/postgresql"), Path("/var/run/postgresql"))
SYSTEM_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
LOOPBACK = "loopback"
LONGEST_NAME = 63  # bytes of an identifier; the server silently cuts longer ones, which would be another database


def parse(url: str, roots: Sequence[Path] = ()) -> Address:
    """Check a URL's form. Raises TargetProblem("bad_url"); the message never repeats the URL."""
    given = _given(url)
    for needed, word in (("host", "host"), ("user", "user name"), ("dbname", "database name")):
        if not given.get(needed):
            raise _bad(f"The URL names no {word}.")
    if "," in given["host"]:
        raise _bad("The URL names several hosts; an operation must know which server it works on.")
    if len(given["dbname"].encode()) > LONGEST_NAME:
        raise _bad("The database name is longer than PostgreSQL's 63 bytes.")
    if given["host"].startswith("/"):
        _check_path(Path(given["host"]), (*SYSTEM_SOCKETS, *roots), "socket directory")
    certificate = given.get("sslrootcert", "system")
    if certificate != "system":
        _check_path(Path(certificate), (Path("/etc/ssl"), Path("/etc/pki"), *roots), "certificate file")
    return Address(engine="postgresql", secret_url=url, display=_display(given), name=given["dbname"])


def parameters(address: Address) -> dict[str, str]:
    """Connection parameters of a checked address, complete, so that no environment variable can fill a gap."""
    given = _given(address.secret_url)
    given.setdefault("port", "5432")
    given.setdefault("sslmode", "prefer" if is_local(given["host"]) else "verify-full")
    given["hostaddr"] = ""
    given["passfile"] = "/nonexistent"
    if given["sslmode"] in TLS_MODES and given.get("sslrootcert", "system") == "system":
        given["sslrootcert"] = _system_certificates()
    if given["sslmode"] == "require" and "sslrootcert" not in _given(address.secret_url):
        del given["sslrootcert"]  # with a root certificate libpq would verify, which `require` does not ask for
    return given


def is_local(host: str) -> bool:
    """Whether traffic to `host` stays on this machine."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def likeness(one: str, other: str, *, look: bool = False) -> Likeness:
    """Whether two displays lead to one database, as far as host, port and name tell.

    A pooler or a second name of a server can lead to it from elsewhere, so only another database name, or hosts that
    are known to be different machines, rule it out.
    """
    try:
        ours, theirs = _given(one), _given(other)
    except TargetProblem:
        return Likeness.POSSIBLE
    if ours.get("dbname") != theirs.get("dbname"):
        return Likeness.OTHER
    hosts = _machines(ours.get("host", ""), look), _machines(theirs.get("host", ""), look)
    named_alike = ours.get("host") == theirs.get("host") or bool(hosts[0] & hosts[1])
    if named_alike and ours.get("port", "5432") == theirs.get("port", "5432"):
        return Likeness.SAME
    elsewhere = hosts[0] and hosts[1] and not hosts[0] & hosts[1]
    return Likeness.OTHER if elsewhere and LOOPBACK not in hosts[0] | hosts[1] else Likeness.POSSIBLE


def _machines(host: str, look: bool) -> set[str]:
    """The IP addresses of a host, LOOPBACK for this machine's own; empty when they are not known."""
    if host.startswith("/"):
        return set()
    if is_local(host):
        return {LOOPBACK}
    try:
        return {str(ip_address(host))}
    except ValueError:
        pass
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, None)} if look else set()
    except (OSError, UnicodeError):
        return set()
    return {LOOPBACK if is_local(machine) else machine for machine in found}


def _given(url: str) -> dict[str, str]:
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise _bad("The URL cannot be read.") from None  # its own words would repeat the URL
    if parts.scheme.lower() not in SCHEMES:
        raise _bad("The URL does not begin with postgresql://.")
    named = {key for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if unknown := sorted(named - KEYS):
        raise _bad(
            f"The URL carries settings that are not taken: {', '.join(unknown)}.",
            f"Leave them out; these are taken: {', '.join(sorted(KEYS))}.",
        )
    try:
        return {key: str(value) for key, value in conninfo_to_dict(url.strip()).items()}
    except (psycopg.ProgrammingError, UnicodeError):
        raise _bad("The URL cannot be read.") from None


def _bad(why: str, next_step: str = "") -> TargetProblem:
    return TargetProblem(
        "bad_url", why, next_step or "Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special signs as %XX."
    )


def _check_path(path: Path, allowed: Sequence[Path], what: str) -> None:
    real = path.resolve()
    if not any(real.is_relative_to(root.resolve()) for root in allowed):
        raise _bad(
            f"The {what} {path} lies outside the allowed folders.",
            f"Use a host name, or a {what} below one of: {', '.join(map(str, allowed))}.",
        )


def _display(given: dict[str, str]) -> str:
    host, socket = given["host"], given["host"].startswith("/")
    place = "" if socket else f"[{host}]" if ":" in host else host
    extra = {"host": host} if socket else {}
    extra |= {"sslmode": given["sslmode"]} if "sslmode" in given else {}
    port = f":{given['port']}" if "port" in given and not socket else ""
    if socket and "port" in given:
        extra["port"] = given["port"]
    query = f"?{urlencode(extra, safe='/')}" if extra else ""
    return f"postgresql://{quote(given['user'], safe='')}@{place}{port}/{quote(given['dbname'], safe='')}{query}"


def _system_certificates() -> str:
    return next((path for path in SYSTEM_CERTIFICATES if Path(path).is_file()), "system")
