"""The cipher of stored fields, and where stored fields are: whoever adds an encrypted column lists it here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import QuerySet

from opsconsole.models import Operation
from opsconsole.secrets import FieldCipher, home_secrets
from opsconsole.states import TERMINAL

FIELD_KEY = "field-key"
CHUNK = 500


@dataclass(frozen=True)
class SealedColumn:
    """A column of encrypted texts; empty ones hold nothing. `model` reads app.Model.

    Its rows name the change that touched them last (`changed_by`).
    """

    model: str
    column: str

    def rows(self) -> QuerySet[Any, Any]:
        """The rows that hold something."""
        return apps.get_model(self.model)._default_manager.exclude(**{self.column: ""}).order_by("pk")


_COLUMNS: list[SealedColumn] = [
    SealedColumn("opsconsole.Database", "url_sealed"),
    SealedColumn("opsconsole.OperationSecret", "value_sealed"),
    SealedColumn("opsconsole.Store", "credentials_sealed"),
]


def add_column(column: SealedColumn) -> None:
    """Have another column re-encrypted when the field key is rotated; an app calls this when Django starts."""
    _COLUMNS.append(column)


def columns() -> list[SealedColumn]:
    return list(_COLUMNS)


def field_keys() -> list[str]:
    """The keys of now, newest first. Those of a file are read again, so that running programs learn of a rotation."""
    if settings.FIELD_KEYS_IN_FILE:
        return home_secrets(settings.OPSCONSOLE_HOME, FIELD_KEY, fernet=True)
    return list(settings.FIELD_KEYS)


def field_cipher() -> FieldCipher:
    return FieldCipher(field_keys())


def under_old_keys(cipher: FieldCipher) -> Iterator[str]:
    """What the first key does not read, each as words: rows, and open requests whose sealed plans cannot change."""
    for each in columns():
        for pk, sealed in each.rows().values_list("pk", each.column).iterator(CHUNK):
            if not cipher.is_current(sealed):
                yield f"{each.column} of {each.model.rpartition('.')[2].lower()} {pk}"
    opened = Operation.objects.exclude(state__in=TERMINAL).filter(plan_text__contains='_sealed":"').order_by("pk")
    for operation in opened.iterator(CHUNK):
        if any(not cipher.is_current(sealed) for sealed in _sealed_in(operation.plan.parameters)):
            yield f"the plan of operation {operation.pk}, which is open"


def _sealed_in(parameters: Any) -> Iterator[str]:
    """Encrypted texts anywhere in a plan's parameters."""
    for name, value in parameters.items():
        if isinstance(value, dict):
            yield from _sealed_in(value)
        elif isinstance(value, str) and name.endswith("_sealed") and value:
            yield value
