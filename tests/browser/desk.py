"""What people do in the browser, in their words."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import ConsoleMessage, Page, Response, expect

from opsconsole import process
from tests.support.console import MANAGE
from tests.support.running import Running

PATIENCE = 180_000  # milliseconds; a machine that does much else takes its time
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


@dataclass(frozen=True)
class Demo:
    """A running console and what a test knows about its demo."""

    running: Running

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    def password(self, login: str) -> str:
        rows = (line.split("\t") for line in (self.running.home / "demo-people.txt").read_text().splitlines())
        return next(password for name, _, password in rows if name == login)

    def manage(self, *words: str) -> str:
        """What `manage.py WORDS` prints, as somebody on the console's machine sees it."""
        env = {"OPSCONSOLE_HOME": str(self.running.home), "HOME": str(self.running.home)}
        done = process.run([process.python(), str(MANAGE), *words], env=env, cwd=MANAGE.parent)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def address(self, database: str) -> str:
        """The URL of a demo database, as an application of its own would hold it."""
        asked = (
            "from opsconsole.databases import url_of; from opsconsole.models import Database; "
            f"print(url_of(Database.objects.get(name={database!r})))"
        )
        return self.manage("shell", "--no-imports", "-c", asked).strip().splitlines()[-1]


class Savings:
    """The demo's PostgreSQL database, as an application sees it."""

    name, environment, table, noun = "savings", "Production", "public.transactions", "transactions"

    def __init__(self, demo: Demo) -> None:
        self._address = demo.address(self.name)

    def count(self) -> int:
        with psycopg.connect(self._address) as line:
            return _number(line.execute("SELECT count(*) FROM transactions").fetchone())

    def lose_rows(self) -> None:
        with psycopg.connect(self._address) as line:
            line.execute("DELETE FROM transactions WHERE id IN (SELECT id FROM transactions ORDER BY id LIMIT 5000)")

    def write_rows(self, number: int, *, batch: int) -> None:
        """The application goes on: so many new rows, each batch with keys of its own."""
        with psycopg.connect(self._address) as line:
            line.execute(
                "INSERT INTO transactions SELECT %s + row_number() OVER (), account_id, goal_id, kind, amount,"
                " reference, now() FROM (SELECT * FROM transactions ORDER BY id LIMIT %s) AS source",
                (batch * 10_000_000, number),
            )


class Ignition:
    """The demo's SQLite database of the D1 shape, as an application sees it."""

    name, environment, table, noun = "ignition", "Staging", "habit_logs", "habit_logs"

    def __init__(self, demo: Demo) -> None:
        self._file = demo.running.home / "files" / "ignition.sqlite3"

    def ask(self, query: str) -> int:
        with closing(sqlite3.connect(self._file)) as line:
            return _number(line.execute(query).fetchone())

    def run(self, statement: str, *values: Any) -> None:
        """As an application does that leaves foreign keys unenforced."""
        with closing(sqlite3.connect(self._file)) as line, line:
            line.execute(statement, values)

    def count(self) -> int:
        return self.ask(f"SELECT count(*) FROM {self.table}")

    def lose_rows(self) -> None:
        self.run(f"DELETE FROM {self.table} WHERE rowid % 2 = 0")

    def write_rows(self, number: int, *, batch: int) -> None:
        """The application goes on: so many new rows, each batch with keys of its own."""
        self.run(
            f"INSERT INTO {self.table} SELECT 'batch {batch} ' || id, habit_id, datetime('now'), notes"
            f" FROM {self.table} ORDER BY id LIMIT ?",
            number,
        )


@dataclass
class Desk:
    """One person in front of one browser. `complaints` collects what the browser's console says."""

    demo: Demo
    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith("/nowhere/"):
            self.complaints.append(f"{response.status} {response.url}")

    def sign_in(self, login: str) -> None:
        self.page.goto("/login/")
        self.page.get_by_label("Login").fill(login)
        self.page.get_by_label("Password").fill(self.demo.password(login))
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.locator("h1")).not_to_have_text("Sign in")

    def ask_for(self, verb: str, database: str, *, reason: str = "") -> str:
        """Open the form on the database's page, wait for the plan, send it; gives back the operation's path."""
        self.page.goto(f"/databases/{database}/")
        self.page.get_by_role("link", name=re.compile(rf"^{verb}\b")).first.click()
        return self.send(reason)

    def send(self, reason: str) -> str:
        """In the form that is open, wait for the plan and ask for it; gives back the operation's path."""
        expect(self.page.locator("#oc-preview .oc-answer")).to_be_visible(timeout=PATIENCE)
        self.page.get_by_label("Why").fill(reason)
        self.page.locator("#oc-request button[type=submit]").click()
        self.page.wait_for_url(re.compile(r"/operations/\d+/$"))
        return self.page.url.removeprefix(self.demo.url)

    def approves(self, path: str, name: str, number: int, reason: str, *, counts: str = "rows that would be") -> None:
        """Type what the plan asks for, and approve it. The number `counts` what its label says."""
        self.page.goto(path)
        self.page.get_by_label(f"Type {name} to confirm").fill(name)
        self.page.get_by_label(f"Type the number of {counts}").fill(str(number))
        self.page.get_by_label("Reason").fill(reason)
        self.page.get_by_role("button", name=re.compile("^Approve")).click()

    def sees_state(self, word: str) -> None:
        """The open page says so by itself, without being loaded again."""
        expect(self.page.locator("#oc-state")).to_contain_text(word, timeout=PATIENCE)

    def row_of(self, table: str) -> list[str]:
        """The effects table's line of one table."""
        line = self.page.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=table, exact=True))
        return [cell.strip().replace("\N{NARROW NO-BREAK SPACE}", "") for cell in line.locator("td").all_inner_texts()]

    def barriers(self, *rules: str) -> list[str]:
        """What axe finds on the page as it is, one line each, by all of its rules or by those named.

        The theme names all its scrolling areas alike, so that landmarks are not looked at.
        """
        self.page.evaluate(AXE.read_text())
        asked: dict[str, Any] = (
            {"runOnly": list(rules)} if rules else {"rules": {"landmark-unique": {"enabled": False}}}
        )
        found: list[dict[str, Any]] = self.page.evaluate(
            "async (asked) => (await axe.run(document, asked)).violations", asked
        )
        return [f"{item['id']}: {node['html'][:120]}" for item in found for node in item["nodes"]]

    def faults_of(self, path: str) -> list[str]:
        """What is wrong with a page, all of it unfolded: barriers, in the dark too, and what does not fit a phone."""
        self.page.goto(path)
        self.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = [*self.barriers(), *(["it scrolls sideways"] if self.scrolls_sideways() else [])]
        self.page.evaluate("document.documentElement.classList.add('dark')")  # as the menu of colours does
        found += [f"in the dark {barrier}" for barrier in self.barriers("color-contrast")]
        self.page.evaluate("document.documentElement.classList.remove('dark')")
        wide = self.page.viewport_size
        self.page.set_viewport_size({"width": 390, "height": 900})
        found += [f"on a phone {barrier}" for barrier in self.barriers()]
        found += ["it scrolls sideways on a phone"] if self.scrolls_sideways() else []
        self.page.set_viewport_size(wide or {"width": 1280, "height": 900})
        return [f"{path} {each}" for each in found]

    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def _number(row: tuple[Any, ...] | None) -> int:
    assert row is not None
    return int(row[0])
