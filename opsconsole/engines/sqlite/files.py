"""Finding a database file safely: by directory descriptor, never through a symlink, never on a network file system.

The database file itself is never opened here. Closing any descriptor of it would drop every POSIX lock that SQLite
holds on it in this process; what is needed is read with O_PATH descriptors, which the kernel exempts from that.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opsconsole.engines.labels import TAG, Label
from opsconsole.engines.sqlite.address import SqliteAddress, root_of
from opsconsole.exceptions import TargetProblem

LOCK_SUFFIX = ".opsconsole-lock"
_STAGING = re.compile(rf"\.opsconsole-(?:({TAG})-)?(\d+)\.(\d+)\.staging(-journal|-wal|-shm|\.report)?")
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ocfs2", "gfs2"}
)


@dataclass(frozen=True)
class Spot:
    """A database file and its folder, held by descriptor. `folder` and `path` are real paths."""

    folder_fd: int
    folder: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"

    def stat(self) -> os.stat_result:
        """The file's own facts. Raises TargetProblem("missing")."""
        with _explained(self.path):
            return os.stat(self.name, dir_fd=self.folder_fd, follow_symlinks=False)

    def beside(self) -> list[str]:
        """Names in the folder that begin with the file's name, sorted."""
        with _explained(self.folder):
            names = os.listdir(f"/proc/self/fd/{self.folder_fd}")
        return sorted(name for name in names if name.startswith(self.name))

    def size_of(self, name: str) -> int:
        """Bytes of a file in the folder; 0 when it is not there."""
        try:
            return os.stat(name, dir_fd=self.folder_fd, follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0

    def create(self, name: str) -> int:
        """A descriptor of a new private file in the folder. Raises FileExistsError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=self.folder_fd)

    def remove(self, name: str) -> None:
        """Remove a file in the folder, if it is there."""
        try:
            os.unlink(name, dir_fd=self.folder_fd)
        except FileNotFoundError:
            pass

    def free_bytes(self) -> int:
        facts = os.statvfs(self.folder)
        return facts.f_bavail * facts.f_frsize


@contextmanager
def found(address: SqliteAddress) -> Iterator[Spot]:
    """The spot of an address; the file need not exist. Raises TargetProblem: missing, permission, refused."""
    real = os.path.realpath(address.path)
    root = root_of(real, address.roots)
    *folders, name = os.path.relpath(real, root).split("/")
    with _explained(real):
        fd = _walk(root, folders)
    try:
        yield Spot(fd, os.readlink(f"/proc/self/fd/{fd}"), name)
    finally:
        os.close(fd)


def sound(spot: Spot) -> os.stat_result:
    """The facts of a file that can be worked on. Raises TargetProblem with the reason when it cannot."""
    facts = spot.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise TargetProblem("refused", f"{spot.path} is not a regular file.", "Name the database file itself.")
    if facts.st_nlink > 1:
        raise TargetProblem(
            "refused",
            f"{spot.path} has {facts.st_nlink} names (hard links), so a lock beside it proves nothing.",
            "Keep one name and remove the others, or replace them by symlinks.",
        )
    mount, kind = _mount_of(spot, spot.name)
    if kind in _NETWORK or kind.startswith("fuse"):
        raise TargetProblem(
            "refused",
            f"{spot.path} is on a {kind} file system, where SQLite's locks and ours prove nothing.",
            "Run a worker on the machine that has the disk, and register the file there.",
        )
    if mount != _mount_of(spot, "")[0]:
        raise TargetProblem(
            "refused",
            f"{spot.path} is itself a mount point, so a lock beside it proves nothing.",
            "Mount the folder instead of the single file.",
        )
    return facts


def staging_name(name: str, label: Label) -> str:
    """The staging file of one run, beside the database `name`."""
    return f"{name}.opsconsole-{label.tag}-{label.operation}.{label.fence}.staging"


def staging_owner(name: str, entry: str) -> tuple[str, int, int] | None:
    """(console's tag, operation, fence) of a staging file of `name`, or of what belongs to one; None for others.

    The tag is "" for a file of the first version, whose name carried none.
    """
    match = _STAGING.fullmatch(entry.removeprefix(name)) if entry.startswith(name) else None
    return (match[1] or "", int(match[2]), int(match[3])) if match else None


def staged_by(name: str, entry: str, label: Label) -> bool:
    """Whether a run, or an earlier one of the same operation, made that file beside the database `name`."""
    owner = staging_owner(name, entry)
    return owner is not None and owner[:2] == (label.tag, label.operation) and owner[2] <= label.fence


def _walk(root: str, folders: list[str]) -> int:
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for folder in folders:
        parent = fd
        try:
            fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        finally:
            os.close(parent)
    return fd


def _mount_of(spot: Spot, name: str) -> tuple[str, str]:
    """(mount id, file system type) of a file in the folder, or of the folder itself for ""."""
    if not name:
        return _mount_of_descriptor(spot.folder_fd)
    with _explained(spot.path):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.folder_fd)
    try:
        return _mount_of_descriptor(fd)
    finally:
        os.close(fd)


def _mount_of_descriptor(fd: int) -> tuple[str, str]:
    with open(f"/proc/self/fdinfo/{fd}") as facts:
        mount = next(line.split()[1] for line in facts if line.startswith("mnt_id:"))
    with open("/proc/self/mountinfo") as mounts:
        return mount, file_system_of(mount, mounts.read())


def file_system_of(mount: str, mountinfo: str) -> str:
    """The type of a mount in the text of /proc/self/mountinfo (proc(5)); "" when it is not listed there."""
    for line in mountinfo.splitlines():
        if line.split(" ", 1)[0] == mount:
            return line.partition(" - ")[2].split()[0]
    return ""


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise TargetProblem("missing", f"There is no file {path}.", "Check the path, or create the database.") from None
    except PermissionError:
        raise TargetProblem(
            "permission", f"The console may not reach {path}.", "Let the user that runs the console enter its folders."
        ) from None
    except OSError as error:
        raise TargetProblem(
            "refused", f"{path} cannot be used: {os.strerror(error.errno or 0)}.", "Name the file by its real path."
        ) from error
