"""Which relations the console made for itself in a managed database: they are in no backup, count and comparison.

`_opsconsole_migrations`, the ledger of numbered files, is none of them: it goes with the schema that these made.
"""

from __future__ import annotations

# Of `pg_class c`, and of `pg_identify_object(...) i`. A pattern with a question mark would be taken for a placeholder.
NOT_OURS = r"(c.relname NOT LIKE '\_opsconsole\_%' OR c.relname LIKE '\_opsconsole\_migrations%')"
NOT_OF_OURS = r"(i.identity NOT LIKE '%.\_opsconsole\_%' OR i.identity LIKE '%.\_opsconsole\_migrations%')"
# Patterns of pg_dump know no exception, so these are the letters that the ledger does not begin with.
EXCLUDED = tuple(f"--exclude-table=*._opsconsole_{begins}*" for begins in ("[^m]", "m[^i]", "mi[^g]"))
