"""Tools that are recognised and refused: each with the reason, and with what its users can do instead."""

from __future__ import annotations

from lifecycle.sources.detection import Unsupported

_CODE = (
    "Let {label} write the SQL ({command}), bring that as numbered files of the tool plain, and let {label} itself take"
    " note of it ({stamp})."
)
UNSUPPORTED = (
    Unsupported(
        name="alembic",
        label="Alembic",
        why="Alembic's migrations are Python programs, whose statements are not known before they run;"
        " the console runs nobody's programs.",
        next=_CODE.format(label="Alembic", command="alembic upgrade head --sql", stamp="alembic stamp head"),
    ),
    Unsupported(
        name="django",
        label="Django",
        why="Django's migrations are Python programs that need the application around them;"
        " the console runs nobody's programs.",
        next=_CODE.format(
            label="Django", command="manage.py sqlmigrate APP NAME", stamp="manage.py migrate APP NAME --fake"
        ),
    ),
    Unsupported(
        name="effect",
        label="Effect (PgMigrator)",
        why="Effect's migrator loads programs (NUMBER_name.ts or .js) and never finds files of SQL;"
        " the console runs nobody's programs.",
        next="Where the project also has a folder of drizzle, that is the truth: bring it, with path= to it."
        " Else bring the SQL as numbered files of the tool plain.",
    ),
    Unsupported(
        name="flyway",
        label="Flyway",
        why="Flyway keeps CRC-32 checksums over lines, repeatable migrations and callbacks, which the console does not"
        " write as Flyway would; a row that differs stops Flyway at its next start.",
        next="Migrate with `flyway migrate` after a backup from here (`operate backup NAME --wait`).",
    ),
    Unsupported(
        name="goose",
        label="goose",
        why="goose cuts its files by rules of its own (StatementBegin, NO TRANSACTION, ENVSUB), which the console does"
        " not follow; a file that was cut elsewhere would be another migration.",
        next="Migrate with `goose up` after a backup from here (`operate backup NAME --wait`), or write the files in"
        " dbmate's form (`-- migrate:up`, `-- migrate:down`) and mark those as applied that are.",
    ),
)
