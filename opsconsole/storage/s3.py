"""A store in a bucket of a server that speaks S3, through boto3.

Publishing the same key twice is refused by the server itself where it heeds `If-None-Match: *`. Where it does not, we
look first and put then, which two writers at the same instant could pass; `Facts.refuses_doubles` says which it is.
The console's keys carry the operation and its fence, so that no two writers of one console share one.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO, cast

from botocore import exceptions as boto

from opsconsole.exceptions import OpsError
from opsconsole.storage.base import PART, Facts, Store, check_key
from opsconsole.storage.s3_client import Place, connect
from opsconsole.storage.s3_problems import UNKNOWN_CONDITION, answers, code_of
from opsconsole.storage.s3_reading import S3Reader
from opsconsole.storage.s3_writing import OWNER, S3Writer

__all__ = ["Place", "S3Store", "open_store"]


@lru_cache(maxsize=32)
def open_store(place: Place) -> S3Store:
    """The store of a place, one in a process, so that it is asked only once what the server can do."""
    return S3Store(place)


class S3Store(Store):
    def __init__(self, place: Place) -> None:
        self.place = place
        self.part_bytes = place.part_bytes
        self._client = connect(place)
        self._conditional = place.conditional

    def create(self, key: str, *, part: str) -> S3Writer:
        return S3Writer(self, check_key(key), part)

    def open(self, key: str) -> BinaryIO:
        check_key(key)

        def fetch(at: int, etag: str) -> Any:
            rest = {"Range": f"bytes={at}-", "IfMatch": etag} if etag else {}
            return self.call(f"reading {key}", "get_object", key, **rest)

        return cast(BinaryIO, S3Reader(key, fetch))

    def size(self, key: str) -> int:
        return int(self._head(key)["ContentLength"])

    def sizes(self, prefix: str) -> dict[str, int]:
        return {key: size for key, size in self._listed(prefix) if not key.endswith(PART)}

    def folders(self, prefix: str, *, depth: int) -> list[str]:
        found = [check_key(prefix)]
        for _ in range(depth):
            found = [below for folder in found for below in self._folders(folder)]
        return sorted(found)

    def delete(self, key: str) -> None:
        try:
            self.call(f"deleting {key}", "delete_object", key)
        except FileNotFoundError:
            pass

    def sweep(self, prefix: str, *, part: str) -> int:
        ending = f".{part}{PART}"
        markers = [key for key, _ in self._listed(prefix) if key.endswith(ending)]
        for marker in markers:
            with self.call(f"reading {marker}", "get_object", marker)["Body"] as body:
                upload = body.read().decode()
            self.abort(marker.removesuffix(ending), upload)
            self.delete(marker)
        return len(markers)

    def remove_folder(self, prefix: str) -> None:
        """There are none: a folder is what its objects' keys have in common."""

    def free_bytes(self) -> int | None:
        if self.place.quota_bytes is None:
            return None
        return max(0, self.place.quota_bytes - sum(size for _, size in self._listed("")))

    def examine(self) -> Facts:
        conditional = self._conditional = self._heeds_conditions()
        return Facts(free_bytes=self.free_bytes(), refuses_doubles=conditional, unfinished=self._unfinished())

    # -- what writers use -------------------------------------------------------------------------------------------

    def call(self, what: str, operation: str, key: str, **given: Any) -> Any:
        """One request about one object. Raises FileNotFoundError, FileExistsError or StoreProblem."""
        with answers(what, self.place.seconds):
            return getattr(self._client, operation)(Bucket=self.place.bucket, Key=self.place.prefix + key, **given)

    def put(self, key: str, body: bytes | bytearray, *, owner: str = "", new: bool = False) -> None:
        """An object in one request; `new`: only where there is none. Raises FileExistsError."""
        condition = self.new_only() if new else {}
        if new and not condition and self.is_there(key):
            raise FileExistsError(key)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        self.call(
            f"writing {key}", "put_object", key, Body=body, ChecksumSHA256=digest, Metadata={OWNER: owner}, **condition
        )

    def new_only(self) -> dict[str, str]:
        """What makes a request publish only a new key; nothing where the server does not heed it."""
        if self._conditional is None:
            self._conditional = self._heeds_conditions()
        return {"IfNoneMatch": "*"} if self._conditional else {}

    def is_there(self, key: str) -> bool:
        try:
            self._head(key)
        except FileNotFoundError:
            return False
        return True

    def owner_of(self, key: str) -> str:
        """Which writer made an object; "" when there is none, or it is not one of ours."""
        try:
            return str(self._head(key)["Metadata"].get(OWNER, ""))
        except FileNotFoundError:
            return ""

    def abort(self, key: str, upload: str) -> None:
        """Give an upload up, with the parts that it has; one that has ended is fine too."""
        try:
            self.call(f"giving {key} up", "abort_multipart_upload", key, UploadId=upload)
        except FileNotFoundError:
            pass

    # -- asking the server ------------------------------------------------------------------------------------------

    def _head(self, key: str) -> Any:
        return self.call(f"looking at {key}", "head_object", check_key(key))

    def _listed(self, folder: str) -> Iterator[tuple[str, int]]:
        """Every object below a folder ("" is the whole store): its key, and its bytes."""
        for page in self._pages("list_objects_v2", f"{check_key(folder)}/" if folder else ""):
            for item in page.get("Contents", ()):
                yield str(item["Key"]).removeprefix(self.place.prefix), int(item["Size"])

    def _folders(self, folder: str) -> Iterator[str]:
        for page in self._pages("list_objects_v2", f"{folder}/", Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield str(item["Prefix"]).removeprefix(self.place.prefix).rstrip("/")

    def _unfinished(self) -> int:
        return sum(len(page.get("Uploads", ())) for page in self._pages("list_multipart_uploads", ""))

    def _pages(self, operation: str, prefix: str, **given: Any) -> Iterator[Any]:
        with answers(f"listing {prefix or 'the store'}", self.place.seconds):
            yield from self._client.get_paginator(operation).paginate(
                Bucket=self.place.bucket, Prefix=self.place.prefix + prefix, **given
            )

    def _heeds_conditions(self) -> bool:
        """Whether a second conditional put of one key is refused; the first one fails where they are not known."""
        key, answers_at_all = f".check-{secrets.token_hex(8)}", True
        try:
            self._client_put(key)
            with self.call(f"reading {key}", "get_object", key)["Body"] as body:
                body.read()
            try:
                self._client_put(key)
            except FileExistsError:
                return True
            return False
        except _UnknownCondition:
            self.put(key, b"a check of the console")
            return False
        except OpsError as error:
            answers_at_all = error.code != "store_timeout"  # to delete would take as long once more, and hide this one
            raise
        finally:
            if answers_at_all:
                self.delete(key)

    def _client_put(self, key: str) -> None:
        with answers(f"writing {key}", self.place.seconds):
            try:
                self._client.put_object(
                    Bucket=self.place.bucket,
                    Key=self.place.prefix + key,
                    Body=b"a check of the console",
                    IfNoneMatch="*",
                )
            except boto.ClientError as error:
                if code_of(error) in UNKNOWN_CONDITION:
                    raise _UnknownCondition from error
                raise


class _UnknownCondition(Exception):
    """The server refuses requests with a condition."""
