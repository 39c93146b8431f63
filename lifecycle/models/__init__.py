"""What the console keeps about backups, patches and uploads, and about what operations replaced."""

from lifecycle.models.backups import Backup, DownloadGrant, SmokeStatement
from lifecycle.models.kept import KeptCopy
from lifecycle.models.patches import Patch
from lifecycle.models.uploads import Inspection, Upload
from lifecycle.models.versions import DeclaredVersion

Stored = Backup | Patch  # what lies in the store with a signed manifest, and may be downloaded

__all__ = [
    "Backup",
    "DeclaredVersion",
    "DownloadGrant",
    "Inspection",
    "KeptCopy",
    "Patch",
    "SmokeStatement",
    "Stored",
    "Upload",
]
