"""Whether what people's SQL computes may tell the values of masked columns, whatever it calls its own columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsconsole.engines.structure import Structure
from opsconsole.masking import sensitive_columns

_WHOLE_ROW = re.compile(r"(?<![\w.\"])\"?t\"?(?![\w\"]|\s*\.)")  # of PostgreSQL: the alias by itself


def reads_masked(sql: str, structure: Structure, configured: Sequence[str]) -> bool:
    """Whether it names a masked column of any table, or takes rows whole. Words in texts count: rather too often."""
    text = sql.lower()
    hidden = {
        name.lower()
        for relation in structure.relations.values()
        for name in sensitive_columns(relation.full_name, [field.name for field in relation.fields], configured)
    }
    named = any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in hidden if name in text)
    return named or bool(hidden and _WHOLE_ROW.search(text))
