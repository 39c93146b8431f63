"""Databases that snippets are reviewed against: a large table, a small one, an empty one, and children."""

from opsconsole.engines.structure import Field, ForeignKey, Key, Relation, Structure, Trigger
from opsconsole.review import Dialect, Live

ROWS = {"users": 18_402, "messages": 2_000_000, "tags": 12, "drafts": 0, "audit": 300}
COLUMNS = {
    "users": (("id", "bigint"), ("email", "character varying(80)"), ("name", "text"), ("age", "integer")),
    "messages": (("id", "bigint"), ("user_id", "bigint"), ("body", "text"), ("score", "numeric(10,2)")),
    "tags": (("id", "bigint"), ("label", "text")),
    "drafts": (("id", "bigint"), ("user_id", "bigint")),
    "audit": (("id", "bigint"), ("user_id", "bigint")),
}
REFERENCES = (("messages", "CASCADE"), ("drafts", "CASCADE"), ("audit", "SET NULL"))


def live(schema: str, ddl: tuple[str, ...] | None = None) -> Live:
    def full(name: str) -> str:
        return f"{schema}.{name}" if schema else name

    relations = {
        full(name): Relation(
            schema=schema,
            name=name,
            fields=tuple(Field(name=field, type=kind, family="", nullable=field != "id") for field, kind in columns),
            keys=(Key(columns=("id",), primary=True),),
            triggers=(Trigger(name="stamp", events=("UPDATE",)),) if name == "tags" else (),
        )
        for name, columns in COLUMNS.items()
    }
    keys = tuple(
        ForeignKey(
            name=f"{child}_user",
            table=full(child),
            columns=("user_id",),
            parent=full("users"),
            parent_columns=("id",),
            on_delete=action,
        )
        for child, action in REFERENCES
    )
    return Live(
        rows={full(name): rows for name, rows in ROWS.items()},
        size_bytes={full(name): rows * 100 for name, rows in ROWS.items()},
        structure=Structure(relations=relations, foreign_keys=keys),
        ddl=ddl,
    )


LIVE = {Dialect.POSTGRESQL: live("public"), Dialect.SQLITE: live(""), Dialect.D1: live("")}
