"""Changes of how stored secrets are kept: under the newest field key, all of them, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsconsole import audit, failpoints
from opsconsole.changes.base import Change, Draft
from opsconsole.ciphers import CHUNK, SealedColumn, columns, field_cipher, field_keys
from opsconsole.exceptions import Refused
from opsconsole.models import Database, Operation, OwnerGroup
from opsconsole.plans import Effect
from opsconsole.secrets import FieldCipher, name_of


class Reencrypt(Change):
    """Encrypt every stored secret anew under the first of the field keys; what they say stays the same."""

    name = "secrets.reencrypt"
    label = "Encrypt stored secrets anew"
    fields = ()

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        cipher, newest = field_cipher(), name_of(field_keys()[0])
        count = sum(
            not cipher.is_current(sealed)
            for each in columns()
            for sealed in each.rows().values_list(each.column, flat=True).iterator(CHUNK)
        )
        if not count:
            raise Refused("nothing_to_change", f"Every stored secret is under the field key {newest} already.", "")
        return Draft(
            summary=f"{count} stored secrets are encrypted anew under the field key {newest}; what they say stays.",
            parameters={"key": newest},
            effects=(Effect(object="stored secrets", action="replaced", note=f"{count} under the key {newest}"),),
            facts=("field_key/newest",),
            owner_groups=tuple(OwnerGroup.objects.values_list("name", flat=True)),
            way_back="None is needed: nothing else changes.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        cipher, count = field_cipher(), 0
        for each in columns():
            count += sum(_renew(each, cipher, operation, batch) for batch in _batches(each))
        moved = Database.objects.filter(changed_by=operation).order_by("pk")
        told = {"key": parameters["key"], "count": count, "addresses": {str(row.pk): row.address for row in moved}}
        audit.record("keys.reencrypted", operation=operation, subject=f"field key {parameters['key']}", data=told)
        return {"key": parameters["key"], "count": count}


def _batches(each: SealedColumn) -> Iterator[list[tuple[int, str]]]:
    """Rows by key, so many at a time, locked until the change is done."""
    last = 0
    while batch := list(each.rows().filter(pk__gt=last).select_for_update().values_list("pk", each.column)[:CHUNK]):
        yield batch
        last = batch[-1][0]


def _renew(each: SealedColumn, cipher: FieldCipher, operation: Operation, batch: list[tuple[int, str]]) -> int:
    old = [(pk, sealed) for pk, sealed in batch if not cipher.is_current(sealed)]
    for pk, sealed in old:
        each.rows().filter(pk=pk).update(**{each.column: cipher.renew(sealed), "changed_by": operation})
    failpoints.hit("keys.batch")
    return len(old)
