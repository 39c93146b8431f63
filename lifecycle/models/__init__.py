"""What the console keeps about backups."""

from lifecycle.models.backups import Backup, DownloadGrant, KeptDatabase

__all__ = ["Backup", "DownloadGrant", "KeptDatabase"]
