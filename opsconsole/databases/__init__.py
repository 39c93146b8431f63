"""Managed databases: their addresses, identities, registration, and the reading of their data."""

from opsconsole.databases.addresses import engine_for, url_of
from opsconsole.databases.data import DataPage, data_page, data_tables
from opsconsole.databases.identities import (
    check,
    environments_of,
    probe,
    protected,
    recognise,
    refuse_own,
    same_target,
    strictest,
)
from opsconsole.databases.notes import write_note
from opsconsole.databases.suggestions import Suggestion, contradictions, suggest
from opsconsole.databases.twins import twins_of

__all__ = [
    "DataPage", "Suggestion", "check", "contradictions", "data_page", "data_tables", "engine_for",
    "environments_of", "probe", "protected", "recognise", "refuse_own", "same_target", "strictest", "suggest",
    "twins_of", "url_of", "write_note",
]  # fmt: skip
