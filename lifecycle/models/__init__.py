"""What the console keeps about backups, about the rows of patches, and about what operations replaced."""

from lifecycle.models.backups import Backup, DownloadGrant, SmokeStatement
from lifecycle.models.kept import KeptCopy
from lifecycle.models.patches import Patch

Stored = Backup | Patch  # what lies in the store with a signed manifest, and may be downloaded

__all__ = ["Backup", "DownloadGrant", "KeptCopy", "Patch", "SmokeStatement", "Stored"]
