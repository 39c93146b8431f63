"""What the console keeps about backups and about what operations replaced."""

from lifecycle.models.backups import Backup, DownloadGrant, SmokeStatement
from lifecycle.models.kept import KeptCopy

__all__ = ["Backup", "DownloadGrant", "KeptCopy", "SmokeStatement"]
