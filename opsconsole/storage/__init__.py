"""Streams of bytes to and from a store of artifacts. A key is `/`-separated; only complete objects can be read.

An object is written where nobody lists it, and appears under its key when it is published. A second publication of
the same key fails, so nothing that is listed ever changes. `base` is the contract, `folder` keeps objects on a disk of
this machine, `s3` (imported only where such a store is used: its library takes 30 MiB) with a server that speaks S3.
"""

from opsconsole.storage.base import (
    CHUNK_BYTES,
    Facts,
    ObjectWriter,
    Store,
    Transfer,
    chunks_of,
    failure_of,
    sha256_of,
)  # fmt: skip
from opsconsole.storage.disks import disk_errors, disk_failure
from opsconsole.storage.folder import FolderStore

__all__ = [
    "CHUNK_BYTES", "Facts", "FolderStore", "ObjectWriter", "Store", "Transfer", "chunks_of", "disk_errors",
    "disk_failure", "failure_of", "sha256_of",
]  # fmt: skip
