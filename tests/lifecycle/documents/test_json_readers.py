"""Every JSON that the four projects write is read as it is, and what it cannot be trusted for is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lifecycle.documents.base import Summary
from lifecycle.documents.inspecting import gather, inspect
from lifecycle.documents.portable import DocumentWriter
from opsconsole.exceptions import OperationFailed
from tests.support.documents import IGNITION, SOLANA, SOLANA_STAMP, TASKLETS, read

FOLDER = TASKLETS / "backup-2025-12-20T00-00-00-000Z"
SET = sorted(SOLANA.glob(f"*{SOLANA_STAMP}.json"))
LONE = SOLANA / "users-backup-2025-07-06T03-08-44-976Z.json"
Change = Callable[[Any], Any]


def tables_in(path: Path) -> dict[str, list[dict[str, Any]]]:
    return json.loads(path.read_text())["tables"]


def changed(path: Path, folder: Path, change: Change) -> Path:
    """A copy of a JSON file of which something is different."""
    whole = json.loads(path.read_text())
    copy = folder / path.name
    copy.write_text(json.dumps(change(whole) or whole))
    return copy


@pytest.mark.parametrize(
    ("name", "version", "version_name", "exported_at"),
    [
        ("passion-os-backup-v14-2026-01-05.json", 14, "0014_add_performance_indexes", "2026-01-05T12:00:00.000Z"),
        ("documented-v20.json", 20, "V2 Full Reset", "2026-01-05T12:00:00.000Z"),
        ("old-v3.json", 3, "0003_add_planner_exercise", "2026-01-03T12:00:00.000Z"),
    ],
)
def test_ignition_is_read_in_its_coded_and_documented_shapes(
    name: str, version: int, version_name: str, exported_at: str
) -> None:
    found = read(IGNITION / name)
    assert (found.format, found.tables) == ("ignition-json", tables_in(IGNITION / name))
    heading = found.heading
    assert (heading.version, heading.version_name, heading.exported_at) == (version, version_name, exported_at)
    assert heading.engine == "sqlite"


def test_ignition_tells_of_tables_that_its_writer_may_not_have_been_able_to_read() -> None:
    found = read(IGNITION / "passion-os-backup-v14-2026-01-05.json")
    assert found.codes == [("note", "empty_or_unread")]
    assert "verification_tokens, habits" in found.problems[0].text


@pytest.mark.parametrize("content", ['{"version": 14}', '{"version": 14, "versionName": "x", "tables": null}'])
def test_ignition_without_tables_cannot_be_used(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    found = read(path)
    assert (found.format, found.codes, found.tables) == ("ignition-json", [("error", "no_tables")], {})


def test_our_own_document_is_read_also_when_another_program_wrote_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    row = {"raw": b"\xff", "exact": Decimal("0.10"), "odd": {"$bytes": 1}}
    with path.open("wb") as file:
        writer = DocumentWriter(file.write, Summary(format="portable", label="", tables=(), version=3))
        writer.table("t")
        writer.row(row)
        writer.finish()
    assert (read(path).format, read(path).tables) == ("portable", {"t": [row]})
    path.write_text(json.dumps(json.loads(path.read_text(), parse_float=str), indent=2).replace('"0.10"', "0.10"))
    assert (read(path).format, read(path).tables) == ("ignition-json", {"t": [row]})


def _portable(folder: Path, *, rows: int = 1) -> list[Path]:
    """The files of a portable backup with a document a table, as they lie in a store."""
    for name, version in (("users", 3), ("empty", 3)):
        with (folder / f"{name}.json").open("wb") as file:
            writer = DocumentWriter(file.write, Summary(format="portable", label="", tables=(), version=version))
            writer.table(name)
            if name == "users":
                writer.row({"id": 1})
            writer.finish()
    tables = {"users": {"rows": rows, "columns": {"id": "bigint"}}, "empty": {"rows": 0, "columns": {"x": "text"}}}
    (folder / "summary.json").write_text(json.dumps({"version": 3, "rows": rows, "tables": tables}))
    (folder / "manifest.json").write_text('{"manifest":{},"signature":{}}')
    return sorted(folder.iterdir())


def test_the_folder_of_a_portable_backup_is_read_with_its_types(tmp_path: Path) -> None:
    found = read(*_portable(tmp_path))
    assert (found.format, found.codes, found.tables) == ("portable", [], {"users": [{"id": 1}], "empty": []})
    assert found.types == {"users": {"id": "bigint"}, "empty": {"x": "text"}}


def test_what_lies_beside_a_portable_backup_is_told(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all")
    assert read(*_portable(tmp_path)).codes == [("warning", "left_out")]


def test_a_portable_backup_that_is_not_its_summary_cannot_be_used(tmp_path: Path) -> None:
    paths = _portable(tmp_path, rows=2)
    assert read(*paths).codes == [("error", "counts_differ")]
    _portable(tmp_path)
    assert read(*(path for path in paths if path.name != "empty.json")).codes == [("error", "counts_differ")]


def test_a_native_backup_is_no_document_and_the_refusal_says_where_it_belongs(tmp_path: Path) -> None:
    paths = [path for path in _portable(tmp_path) if path.name == "manifest.json"]
    with pytest.raises(OperationFailed) as refused:
        read(*paths)
    assert refused.value.code == "native_backup"


def test_tasklets_keeps_the_names_of_its_code() -> None:
    path = TASKLETS / "backup-2026-01-08T14-30-45-123Z.json"
    found = read(path)
    assert (found.format, found.tables, found.codes) == ("tasklets-json", tables_in(path), [])
    assert (found.heading.version, found.heading.exported_at) == (None, "2026-01-08T14:30:45.123Z")
    assert "mysteryTable" in found.tables


def test_tasklets_leaves_out_what_it_could_not_read_and_we_say_so(tmp_path: Path) -> None:
    path = changed(
        TASKLETS / "backup-2026-01-08T14-30-45-123Z.json", tmp_path, lambda w: w["tables"].pop("epics") and w
    )
    found = read(path)
    assert found.codes == [("warning", "table_absent")]
    assert "epics" in found.problems[0].text


def test_a_tasklets_folder_is_read_and_its_unread_table_told() -> None:
    found = read(*FOLDER.iterdir())
    assert found.format == "tasklets-folder"
    assert found.tables == {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("tenants", "clients")}
    assert found.codes == [("warning", "table_unread")]
    assert found.heading.exported_at == "2025-12-20T00:00:00.000Z"


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda folder: (folder / "clients.json").unlink(), "file_missing"),
        (lambda folder: (folder / "clients.json").write_text("[]"), "counts_differ"),
        (lambda folder: (folder / "extra.json").write_text("[]"), "file_unexpected"),
        (lambda folder: changed(folder / "_summary.json", folder, lambda w: w | {"totalRows": 9}), "counts_differ"),
    ],
    ids=["a file is gone", "rows are gone", "a file too many", "another total"],
)
def test_a_tasklets_folder_that_is_not_its_summary_cannot_be_used(
    tmp_path: Path, act: Callable[[Path], Any], code: str
) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "copy")
    act(folder)
    assert ("error", code) in read(*folder.iterdir()).codes


ADA, BOB = "did:privy:synthetic000000001", "did:privy:synthetic000000002"


def test_a_solana_set_gives_each_row_once_and_what_is_only_nested() -> None:
    found = read(*SET)
    assert (found.format, found.codes) == ("solana-set", [])
    assert found.heading.exported_at == "2025-07-07T02:54:49.784Z"
    tables = found.tables
    assert [user["privyDid"] for user in tables["User"]] == [ADA, BOB]
    assert [len(user) for user in tables["User"]] == [17, 17]
    assert tables["Follow"] == [{"followerId": BOB, "followingId": ADA}]
    like = {"id": "l1", "createdAt": "2025-07-06T01:00:00.000Z", "userId": BOB, "commentId": "c1"}
    assert tables["Like"] == [like]
    assert [sorted(row) for row in tables["Comment"]] == [
        ["authorId", "createdAt", "id", "profileId", "tapestryCommentId", "text"]
    ]
    assert tables["PointTransaction"][0]["metadata"] == {"username": "ada", "firstProfile": True}
    assert tables["Achievement"][0]["requirement"] == {"count": 1, "action": "PROFILE_CREATION"}
    assert [sorted(row) for row in tables["UserAchievement"]] == [["achievementId", "id", "unlockedAt", "userId"]]


def test_a_lone_users_file_is_an_incomplete_set() -> None:
    found = read(LONE)
    assert found.codes == [("warning", "incomplete_set")]
    assert "comments, points, achievements missing" in found.problems[0].text
    assert {name: len(rows) for name, rows in found.tables.items()} == {"User": 1, "Follow": 0, "Like": 0}
    assert "isOG" not in found.tables["User"][0]


def test_a_set_of_which_a_file_is_missing_is_incomplete() -> None:
    found = read(*(path for path in SET if "comments" not in path.name))
    assert found.codes == [("warning", "incomplete_set")]
    assert "Comment" not in found.tables
    assert len(found.tables["Like"]) == 1


@pytest.mark.parametrize(("part", "tables"), [("comments", ["Comment", "Like"]), ("points", ["PointTransaction"])])
def test_any_other_file_of_a_set_alone_is_an_incomplete_set_too(part: str, tables: list[str]) -> None:
    found = read(next(path for path in SET if part in path.name))
    assert (found.format, list(found.tables), found.codes) == ("solana-set", tables, [("warning", "incomplete_set")])


def test_a_summary_alone_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed) as refused:
        inspect(gather([path for path in SET if "summary" in path.name]), tmp_path)
    assert refused.value.code == "unreadable"


def test_a_set_beside_others_is_read_alone_and_two_without_a_summary_are_not_guessed_at(tmp_path: Path) -> None:
    found = read(*SET, LONE)
    assert (len(found.tables["User"]), found.codes) == (2, [("warning", "left_out")])
    two = read(LONE, next(path for path in SET if "users" in path.name))
    assert (two.tables, two.codes) == ({}, [("error", "several_sets")])


def test_a_set_that_does_not_count_as_its_summary_says_cannot_be_used(tmp_path: Path) -> None:
    points = changed(next(path for path in SET if "points" in path.name), tmp_path, lambda whole: whole * 2)
    assert read(*(points if path.name == points.name else path for path in SET)).codes == [("error", "counts_differ")]


def test_follows_and_likes_that_stand_in_one_place_only_are_found_too(tmp_path: Path) -> None:
    users = next(path for path in SET if "users" in path.name)
    copy = changed(users, tmp_path, lambda whole: [{**user, "following": [], "likes": []} for user in whole])
    found = read(*(copy if path == users else path for path in SET))
    assert (len(found.tables["Follow"]), len(found.tables["Like"])) == (1, 1)


def test_a_backup_from_before_a_deletion_is_a_part_that_says_so(tmp_path: Path) -> None:
    users = json.loads(LONE.read_text())
    whole = {
        "timestamp": SOLANA_STAMP,
        "purpose": "before wallets are deleted",
        "counts": {"users": 1, "comments": 0, "points": 0, "achievements": 0, "referrals": 1},
        "data": {"users": users, "comments": [], "points": [], "achievements": [], "referrals": users},
    }
    path = tmp_path / f"pre-wallet-deletion-backup-{SOLANA_STAMP}.json"
    path.write_text(json.dumps(whole, indent=2))
    found = read(path)
    assert (found.format, found.codes) == (
        "solana-pre-deletion", [("warning", "incomplete_set"), ("warning", "left_out")]
    )  # fmt: skip
    assert len(found.tables["User"]) == 1
    assert "Achievement" not in found.tables


@pytest.mark.parametrize(
    ("content", "tables"),
    [
        ('{"a": [{"x": 1.50}], "b": []}', {"a": [{"x": Decimal("1.50")}], "b": []}),
        ('{"tables": {"a": [{"x": 1}]}, "version": 7}', {"a": [{"x": 1}]}),
        ('[{"x": {"$bytes": "AA=="}}]', {"rows": [{"x": {"$bytes": "AA=="}}]}),
    ],
)
def test_other_json_of_tables_is_read_as_a_guess(tmp_path: Path, content: str, tables: dict[str, Any]) -> None:
    path = tmp_path / "rows.json"
    path.write_text(content)
    found = read(path)
    assert (found.format, found.codes, found.tables) == ("json-tables", [("note", "guessed")], tables)


@pytest.mark.parametrize(
    "content",
    [
        '{"a": [{"x": 1}], "b": [1]}',
        '{"a": [{"x": 1}], "b": {"c": 1}}',
        '{"a": [{"x": 1}], "a": []}',
        '[{"x": 1}, 2]',
        '[{"x": 1}] []',
        '[{"x": 1, "y": 2, "x": 3}]',
        '[{"x": NaN}]',
        '[{"x": "\\ud83d"}]',
        '[{"x": 1}, {"x": "' + "a" * 200 + '\n"}]',
        '[{"x": 1}',
    ],
)
def test_json_that_is_not_clean_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(content)
    with pytest.raises(OperationFailed) as refused:
        read(path)
    assert refused.value.code in {"unreadable", "unknown_format"}


def test_rows_of_a_foreign_file_are_the_same_out_of_the_child(tmp_path: Path) -> None:
    path = IGNITION / "documented-v20.json"
    found = inspect(gather([path]), tmp_path)
    assert {t.name: list(found.document().rows(t.name)) for t in found.summary.tables} == tables_in(path)
    assert (found.summary.format, found.summary.version, found.summary.problems) == ("ignition-json", 20, ())
