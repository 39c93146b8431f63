"""A whole console with another secret in every place: none is found anywhere else, whatever it does or fails at."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from opsconsole import process
from opsconsole.embedded.redis import server_program
from tests.support.adversity import TELLS_PASSWORDS, false_tools
from tests.support.console import MANAGE, QUICK
from tests.support.running import MARK, Running, started
from tests.support.servers import LoginRole, PostgresServer, accepts, free_port, wait_until
from tests.support.shops import PostgresShop, SqliteShop
from tests.support.watching import Watch

PERSON, WRONG, LOST = "canary-person-Qx7v", "canary-wrong-word-Zk3", "canary-in-a-bad-url-9w"
SERVICE = {"console database", "field key", "broker", "variable"}
MAY_HOLD = {  # the environment of what is started; the operator gave it all to `up` and to each command
    "up": SERVICE | {"secret key", "owner"},
    "command": SERVICE | {"secret key", "owner", "token"},
    "web": SERVICE | {"secret key"},
    "worker": SERVICE,
    "ticker": SERVICE,
    "beat": {"broker"},
    "migrate": {"console database", "field key", "owner"},
    "runner": {"console database", "field key", "variable"},
}


@dataclass
class Desk:
    """A running console, its secrets by name, and everything that its commands and pages have said."""

    running: Running
    env: dict[str, str]
    secrets: dict[str, str]
    shop: PostgresShop
    said: list[str]

    def manage(self, *words: str, stdin: str = "", **extra: str) -> dict[str, Any]:
        """Run a command; what it says is kept, the token that it may hand out is not."""
        done = process.run(
            [process.python(), MANAGE, *words, "--json"],
            env=self.env | extra,
            input=stdin.encode(),
            timeout=120,
            cwd=MANAGE.parent,
        )
        out = done.stdout.decode()
        found = json.loads(out) if out.strip().startswith("{") else {}
        self.said.append(done.stderr.decode() + ("" if "token" in found else out))
        return found

    def operate(self, kind: str, name: str, *settings: str, **extra: str) -> dict[str, Any]:
        words = [word for setting in settings for word in ("--set", setting)]
        token = {"OPSCONSOLE_TOKEN": self.secrets["token"]}
        return self.manage("operate", kind, name, *words, "--confirm", name, "--wait", "90", **token, **extra)


@pytest.fixture
def broker() -> Iterator[tuple[str, str]]:
    """(URL with the password, the password) of a Redis that asks for one."""
    port, password = free_port(), "canary-broker-Hm2p"
    child = process.spawn([server_program(), "-"], stdin=process.PIPE, stdout=process.DEVNULL)
    assert child.stdin is not None
    child.stdin.write(f"port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave ''\n".encode())
    child.stdin.close()
    try:
        wait_until(lambda: accepts("127.0.0.1", port), "redis listens")
        yield f"redis://:{password}@127.0.0.1:{port}/0", password
    finally:
        process.stop(child, grace=2.0)


@pytest.fixture
def desk(tmp_path: Path, postgres: PostgresServer, broker: tuple[str, str]) -> Iterator[Desk]:
    home = tmp_path / "home"
    console_role, shop_role = (_role(postgres, word) for word in ("canary-console-T5r", "canary-stored-url-B8y"))
    database = postgres.create_database(owner=console_role)
    shop = PostgresShop.make(postgres)
    postgres.run(
        f"ALTER DATABASE {shop.name} OWNER TO {shop_role.name}; ALTER ROLE {shop_role.name} CREATEDB;"
        f" GRANT ALL ON ALL TABLES IN SCHEMA public TO {shop_role.name};", shop.name,
    )  # fmt: skip
    for table in ("customers", "orders"):
        postgres.run(f"ALTER TABLE {table} OWNER TO {shop_role.name}", shop.name)
    field_key = Fernet.generate_key().decode()
    secrets = {
        "console database": console_role.password,
        "owner": console_role.password,
        "stored URL": shop_role.password,
        "variable": "canary-variable-Jd4",
        "broker": broker[1],
        "field key": field_key,
        "secret key": "canary-secret-key-" + "k" * 40,
        "person": PERSON,
        "wrong word": WRONG,
        "bad URL": LOST,
    }
    wrong = postgres.url(shop.name, role=LoginRole(shop_role.name, secrets["variable"]))
    env = QUICK | {
        "OPSCONSOLE_HOME": str(home), "HOME": str(home), MARK: str(home), "OPSCONSOLE_DEMO": "0",
        "DATABASE_URL": postgres.url(database, role=console_role).replace("postgresql://", "postgres://"),
        "BROKER_URL": broker[0], "FIELD_KEYS": field_key, "SECRET_KEY": secrets["secret key"],
        "FILE_URL": SqliteShop.make(home / "files").url, "STORE_RESERVE_MIB": "0", "SHOP_URL": wrong,
        "OPSCONSOLE_PG_BIN": str(telling_tools(tmp_path, postgres)),
    }  # fmt: skip
    with started(home, env) as running:
        running.wait_until_ready()
        made = Desk(running, env, secrets, shop, [])
        made.manage("person", "add", "ada", "--email", "ada@example.test", "--groups", "engineers,administrators",
                    "--password-stdin", stdin=PERSON)  # fmt: skip
        made.manage("database", "add", "shop", "--environment", "development", "--url-stdin",
                    stdin=postgres.url(shop.name, role=shop_role))  # fmt: skip
        made.manage("database", "add", "file", "--environment", "development", "--url-env", "FILE_URL")
        secrets["token"] = made.manage("token", "create", "ada", "--name", "t", "--password-stdin", stdin=PERSON)[
            "token"
        ]
        yield made
    postgres.drop_database(database)


def telling_tools(folder: Path, server: PostgresServer) -> Path:
    """The server's programs; once the file `tell` is there, pg_dump prints its password file instead of working."""
    script = f'[ -e "{folder}/tell" ] && {{ {TELLS_PASSWORDS}; }}; exec "{server.bin}/pg_dump" "$@"'
    return false_tools(folder / "bin", server.bin, pg_dump=script)


def _role(server: PostgresServer, password: str) -> LoginRole:
    role = LoginRole(server.fresh_name("role"), password)
    server.run(f"CREATE ROLE {role.name} LOGIN PASSWORD '{password}'")
    return role


EVERY = (
    ("backup", "shop", ""), ("restore", "shop", "method=swap"), ("undo", "shop", "operation={last}"),
    ("backup", "shop", "format=custom"), ("restore", "shop", "method=in_place"), ("verify", "shop", ""),
    ("backup", "file", ""), ("restore", "file", ""), ("verify", "file", ""),
)  # fmt: skip


def run_all(desk: Desk, runs: tuple[tuple[str, str, str], ...]) -> None:
    last = 0
    for kind, name, setting in runs:
        found = desk.operate(kind, name, *([setting.format(last=last)] if setting else []))
        assert found.get("state") == "succeeded", (kind, name, found)
        last = found["id"]


def fail_in_many_ways(desk: Desk) -> None:
    """Wrong passwords, refused connections, URLs that cannot be read, a program that tells what it was given."""
    host = f"{desk.shop.server.host}:{free_port()}"
    for number, url in enumerate((
        f"postgresql://ada:{LOST}@{host}/shop", f"postgresql://ada:{LOST}@[::1/shop", f"postgresql://ada:{LOST}\u2100@x/y",
        f"postgresql://ada:{LOST}#@{host}/shop", f"postgresql://{LOST}", f"mysql://ada:{LOST}@{host}/shop",
        f"postgresql://ada:{LOST}@{host}:port/shop", f"postgresql://ada:x@{host}/shop?password={LOST}&service=a",
    )):  # fmt: skip
        desk.manage("database", "add", f"bad{number}", "--environment", "development", "--url-stdin", stdin=url)
    desk.manage("database", "add", "wrong", "--environment", "development", "--url-env", "SHOP_URL")
    desk.manage("database", "check", "wrong")
    desk.manage("token", "create", "ada", "--name", "x", "--password-stdin", stdin=WRONG)
    desk.manage("database", "list", OPSCONSOLE_TOKEN=f"ops_00000000_{'x' * 30}{WRONG[:13]}")
    (desk.running.home.parent / "tell").touch()
    failed = desk.operate("backup", "shop")
    assert (failed["state"], "refused with" in json.dumps(failed)) == ("failed", True)
    for word in (WRONG, PERSON):
        desk.said.append(sign_in(desk.running.port, word))


def sign_in(port: int, password: str) -> str:
    """Everything that the console answers to a login."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = f"http://127.0.0.1:{port}/login/"
    form = browser.open(page).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token is not None
    data = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], "username": "ada", "password": password}).encode()
    try:
        answer = browser.open(page, data)
        return str(answer.read().decode() + browser.open(f"http://127.0.0.1:{port}/databases/shop/").read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.mark.nightly
@pytest.mark.serial
def test_no_secret_is_found_where_it_does_not_belong(desk: Desk) -> None:
    instance = (desk.running.home / "keys" / "instance").read_text()[:16]
    with Watch([f"{MARK}={desk.running.home}", f"OPSCONSOLE_INSTANCE={instance}"]) as watch:
        run_all(desk, EVERY)
        fail_in_many_ways(desk)
    expected = {"runner", "pg_dump", "pg_restore", "copy worker", "probe", "web", "worker", "ticker", "beat"}
    assert expected <= watch.roles()

    assert watch.leaks(desk.secrets, "argv") == set()
    assert watch.leaks(desk.secrets, "open") == set()
    held = watch.leaks({name: secret for name, secret in desk.secrets.items() if name != "owner"}, "environ")
    assert {pair for pair in held if pair[1] not in MAY_HOLD.get(pair[0], set())} == set()
    assert held >= {("web", "secret key"), ("runner", "console database"), ("beat", "broker")}, "it can see them"
    assert runners_know_their_own_variables(watch)

    texts = {"what was said": "\n".join(desk.said), "the console's database": dump_of(desk)}
    texts["the history"] = history_of(desk)
    for path in desk.running.home.rglob("*"):
        if path.is_file():
            texts[str(path.relative_to(desk.running.home))] = path.read_bytes().decode("latin-1")
    assert {"logs/web.log", "logs/worker.log", "logs/ticker.log", "logs/beat.log", "run.json"} <= texts.keys()
    assert desk.shop.name in texts["the console's database"] and desk.shop.name in texts["the history"]
    found = [(where, name) for where, text in texts.items() for name, secret in desk.secrets.items() if secret in text]
    assert found == []


def runners_know_their_own_variables(watch: Watch) -> bool:
    """Some runner was given FILE_URL (that of its target), some was not, and none SHOP_URL."""
    runners = [text for found in watch.seen.values() if found.role == "runner" for text in found.texts["environ"]]
    assert not [text for text in runners if b"SHOP_URL=" in text]
    return {b"FILE_URL=" in text for text in runners} == {True, False}


def dump_of(desk: Desk) -> str:
    """Every row of the console's own database, as pg_dump writes it."""
    done = process.run([desk.shop.server.bin / "pg_dump", "--inserts", desk.env["DATABASE_URL"]])
    assert b"INSERT INTO public.opsconsole_operation " in done.stdout
    return done.stdout.decode()


def history_of(desk: Desk) -> str:
    done = process.run([process.python(), MANAGE, "audit", "export"], env=desk.env, cwd=MANAGE.parent)
    assert done.returncode == 0 and b"op.succeeded" in done.stdout, done.stderr.decode()
    return done.stdout.decode()
