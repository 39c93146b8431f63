"""What rules rest on, seen in the databases themselves; and what is read off them."""

import sqlite3

import pytest

from opsconsole.review import Dialect, Severity, dialect_of, read_live, review, split
from tests.opsconsole.test_engine_contract import engine_of
from tests.support import sqlite_files as files
from tests.support.shops import PostgresShop

REBUILD = """
CREATE TABLE n (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
INSERT INTO n SELECT * FROM users;
DROP TABLE users;
ALTER TABLE n RENAME TO users;
"""
KEPT = "CREATE TABLE kept AS SELECT * FROM posts;" + REBUILD + "INSERT INTO posts SELECT * FROM kept; DROP TABLE kept;"


@pytest.mark.parametrize(
    ("first", "text", "left"),
    [
        ("", REBUILD, 0),
        ("PRAGMA foreign_keys=OFF", REBUILD, 0),
        ("PRAGMA defer_foreign_keys=true", REBUILD, 0),
        ("PRAGMA defer_foreign_keys=true", KEPT, 2),
    ],
)
def test_dropping_a_parent_in_a_transaction_empties_its_children_whatever_the_pragmas_say(first, text, left):
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(
        """PRAGMA foreign_keys=ON; CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
        CREATE TABLE posts (id INTEGER, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE);
        INSERT INTO users VALUES (1, 'a'), (2, 'b'); INSERT INTO posts VALUES (1, 1), (2, 2); BEGIN"""
    )
    db.execute(first or "SELECT 1")
    for statement in split(text, Dialect.SQLITE):
        db.execute(statement.text)
    db.execute("COMMIT")
    assert db.execute("SELECT count(*) FROM posts").fetchone() == (left,)
    assert db.execute("SELECT count(*) FROM users").fetchone() == (2,)
    db.close()


def test_a_rebuild_on_d1_is_judged_by_what_its_file_holds(tmp_path):
    path = tmp_path / "d1.db"
    files.run_sql(
        path,
        "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)",
        "CREATE TABLE posts (id INTEGER, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)",
        "CREATE VIRTUAL TABLE found USING fts5 (body)",
        "CREATE INDEX idx_posts_user_id ON posts (user_id)",
        "INSERT INTO users VALUES (1, 'a')",
        "INSERT INTO posts VALUES (1, 1), (2, 1), (3, 1)",
    )
    engine = files.engine(path)
    live = read_live(engine)
    assert dialect_of(engine) is Dialect.D1
    assert live.ddl is not None and len(live.ddl) == 5 and live.ddl[-1].startswith("CREATE INDEX")
    found = review(REBUILD, Dialect.D1, live)
    assert [(one.rule, one.object) for one in found.findings] == [
        ("rebuild-cascades", "users"),
        ("table-rebuild", "users"),
    ]
    assert "posts (3 rows, CASCADE)" in found.findings[0].reason
    files.run_sql(path, "DELETE FROM posts")
    assert review(REBUILD, Dialect.D1, read_live(engine)).worst == Severity.WARNING


def test_what_postgresql_says_of_its_tables_weighs(postgres):
    shop = PostgresShop.make(postgres)
    engine = engine_of(shop)
    live = read_live(engine, exact=True)
    assert dialect_of(engine) is Dialect.POSTGRESQL and live.ddl is None
    (found,) = review("CREATE INDEX idx_orders_cents ON orders (cents)", Dialect.POSTGRESQL, live).findings
    assert found.severity == Severity.WARNING and "200 rows" in found.reason
    (found,) = review("DROP TABLE orders", Dialect.POSTGRESQL, live).findings
    assert found.reason == "Drops the table orders and its 200 rows."


def test_postgresql_itself_finds_as_many_statements_as_we_do(postgres):
    text = """SELECT ';', E'a\\';b', E'c'
      -- ;
      'd\\';e', $$;$$, $t$ $$;$$ $t$ AS "f;g"; /* /* ; */ ; */
    CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql
      BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
    SELECT 1 AS a$b$c, U&'d\\0061;' UESCAPE '!'; SELECT 'it''s;'"""
    with postgres.connect() as session:
        cursor = session.execute(text.encode())
        count = 1
        while cursor.nextset():
            count += 1
    assert count == len(split(text, Dialect.POSTGRESQL)) == 4
