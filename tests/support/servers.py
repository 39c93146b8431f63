"""Real servers that tests talk to. Each is started once a session, and skipped visibly when it is not installed."""

from __future__ import annotations

import datetime
import itertools
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg import sql

from opsconsole import process
from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.embedded.redis import EmbeddedRedis
from tests.support.waiting import wait_until

NOBODY = 65534 if os.geteuid() == 0 else None


def missing(what: str, how: str) -> None:
    """Skip visibly (in CI a skip is a failure, see conftest)."""
    pytest.skip(f"{what} is not installed ({how})")


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A temporary folder that `nobody` may enter (pytest's own are 0700)."""
    folder = Path(tempfile.mkdtemp(prefix="opsconsole-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class LoginRole:
    name: str
    password: str


class PostgresServer:
    """A running server, and short ways to make databases and roles with names that no other test uses."""

    def __init__(self, server: EmbeddedPostgres, *, sslmode: str = "") -> None:
        self.server = server
        self.sslmode = sslmode
        self._numbers = itertools.count(1)

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def major(self) -> int:
        return self.server.major

    @property
    def user(self) -> str:
        return "postgres"

    @property
    def password(self) -> str:
        return self.server.password

    @property
    def bin(self) -> Path:
        """The folder of pg_dump and the others, of this server's version."""
        return self.server.bin

    def url(self, database: str = "postgres", *, role: LoginRole | None = None, **options: str) -> str:
        """A URL as the superuser, or as `role`; `options` are libpq's (sslmode, application_name, ...)."""
        base = self.server.url(database, user=role.name, password=role.password) if role else self.server.url(database)
        if self.sslmode:
            options.setdefault("sslmode", self.sslmode)
        return base + ("?" + "&".join(f"{key}={quote(value)}" for key, value in options.items()) if options else "")

    def connect(self, database: str = "postgres", *, role: LoginRole | None = None) -> psycopg.Connection[Any]:
        """A connection in autocommit mode, as the superuser or as `role`."""
        return psycopg.connect(self.url(database, role=role), autocommit=True)

    def run(self, script: str, database: str = "postgres", *, role: LoginRole | None = None) -> None:
        """Run several statements (in one transaction, as the simple protocol does)."""
        with self.connect(database, role=role) as connection:
            connection.execute(script.encode())

    def rows(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def fresh_name(self, word: str = "db") -> str:
        return f"{word}_{next(self._numbers)}_{secrets.token_hex(3)}"

    def create_database(self, name: str = "", *, owner: LoginRole | None = None, template: str = "") -> str:
        """Make a database (its name is given back)."""
        name = name or self.fresh_name()
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if owner:
            statement += sql.SQL(" OWNER {}").format(sql.Identifier(owner.name))
        if template:
            statement += sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(statement)
        return name

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def create_role(self, *, createdb: bool = False, superuser: bool = False) -> LoginRole:
        """Make a login role with a random password."""
        role = LoginRole(self.fresh_name("role"), secrets.token_hex(8))
        words = ["LOGIN", "CREATEDB" if createdb else "NOCREATEDB", "SUPERUSER" if superuser else "NOSUPERUSER"]
        statement = sql.SQL("CREATE ROLE {} " + " ".join(words) + " PASSWORD {}")
        with self.connect() as connection:
            connection.execute(statement.format(sql.Identifier(role.name), sql.Literal(role.password)))
        return role


@contextmanager
def embedded_postgres(major: int) -> Iterator[PostgresServer]:
    """A server from the packaged binaries, which does not wait for the disk."""
    with shared_folder() as folder:
        server = EmbeddedPostgres(folder / "pg", major=major, durable=False)
        server.start(log=folder / "log")
        try:
            yield PostgresServer(server)
        finally:
            server.stop()


@contextmanager
def debian_postgres() -> Iterator[PostgresServer]:
    """A server of the distribution, with TLS (for localhost and 127.0.0.1); amcheck and pg_stat_statements at hand."""
    installs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if not installs:
        missing("Debian's postgresql", "apt-get install postgresql")
    programs = installs[-1].parent.parent
    with shared_folder() as folder:
        server = EmbeddedPostgres(folder / "pg", major=int(programs.name), durable=False, programs=programs)
        certificate, key = self_signed_certificate(folder)
        settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
        settings |= {"shared_preload_libraries": "pg_stat_statements", "max_prepared_transactions": "4"}
        server.start(log=folder / "log", settings=settings)
        try:
            yield PostgresServer(server, sslmode="require")
        finally:
            server.stop()


def self_signed_certificate(folder: Path) -> tuple[Path, Path]:
    """`server.crt` (its own root) and `server.key`, readable by the user that servers run as."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files = folder / "server.crt", folder / "server.key"
    for path, text in zip(files, (certificate.public_bytes(pem), private), strict=True):
        path.write_bytes(text)
    files[1].chmod(0o600)
    if NOBODY is not None:
        os.chown(files[1], NOBODY, NOBODY)
    return files


@dataclass(frozen=True)
class Pooler:
    """A pgbouncer in transaction mode in front of a server: same databases, roles and passwords, another port."""

    host: str
    port: int
    server: PostgresServer

    def url(self, database: str = "postgres", *, role: LoginRole | None = None) -> str:
        return self.server.url(database, role=role).replace(f":{self.server.port}/", f":{self.port}/")


@contextmanager
def pgbouncer(server: PostgresServer) -> Iterator[Pooler]:
    """Start pgbouncer in transaction mode; it looks passwords up in the server."""
    program = shutil.which("pgbouncer", path=process.PATH)
    if program is None:
        missing("pgbouncer", "apt-get install pgbouncer")
    assert program is not None
    with shared_folder() as folder:
        port = free_port()
        users, config = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{server.user}" "{server.password}"\n')
        config.write_text(
            f"[databases]\n* = host={server.host} port={server.port} auth_user={server.user}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npool_mode = transaction\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\n"
            "auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1\n"
            "ignore_startup_parameters = extra_float_digits,options,application_name\n"
        )
        for path in (users, config):
            path.chmod(0o644)
        with (folder / "log").open("wb") as log:
            child = process.spawn([program, config], stdout=log, stderr=log, user=NOBODY)
        try:
            wait_until(lambda: accepts("127.0.0.1", port), "pgbouncer listens")
            yield Pooler("127.0.0.1", port, server)
        finally:
            process.stop(child, grace=2.0)


@contextmanager
def redis() -> Iterator[EmbeddedRedis]:
    """A Redis on a private socket."""
    with shared_folder() as folder:
        server = EmbeddedRedis(folder / "redis")
        server.start(log=folder / "log")
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """Below those that the kernel hands out to outgoing connections, one of which could take it meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class S3Server:
    """moto's server process: real HTTP, everything in its memory. Each test uses a bucket of its own."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def place(self, **given: Any) -> Any:
        """Where a fresh, empty bucket is, as the console's S3 store takes it."""
        from opsconsole.storage.s3 import Place
        from opsconsole.storage.s3_client import connect

        defaults = {"access_key": "AKIATEST", "secret_key": "a secret of a test", "networks": ("127.0.0.0/8",)}
        place = Place(**defaults | {"bucket": f"b{secrets.token_hex(8)}", "endpoint": self.url} | given)
        connect(place).create_bucket(Bucket=place.bucket)
        return place


@contextmanager
def s3() -> Iterator[S3Server]:
    """A server that speaks S3."""
    with shared_folder() as folder, (folder / "log").open("wb") as log:
        port = free_port()
        argv = [process.python(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        child = process.spawn(argv, stdout=log, stderr=log, env={"HOME": str(folder)})
        try:
            wait_until(lambda: accepts("127.0.0.1", port), "moto's server")
            yield S3Server("127.0.0.1", port)
        finally:
            process.stop(child, grace=1.0)
