"""What the console keeps about backups and how long, about patches and uploads, and about what operations replaced."""

from lifecycle.models.backups import Backup, BackupCopy, DownloadGrant, SmokeStatement
from lifecycle.models.kept import KeptCopy
from lifecycle.models.migrations import MigrationFolder, MigrationRun
from lifecycle.models.patches import Patch
from lifecycle.models.recipients import Recipient
from lifecycle.models.rehearsals import Rehearsal
from lifecycle.models.retention import Hold, RetentionPass, RetentionRule, RetentionStop
from lifecycle.models.uploads import Inspection, Upload
from lifecycle.models.versions import DeclaredVersion

Stored = Backup | Patch  # what lies in the store with a signed manifest, and may be downloaded

__all__ = [
    "Backup",
    "BackupCopy",
    "DeclaredVersion",
    "DownloadGrant",
    "Hold",
    "Inspection",
    "KeptCopy",
    "MigrationFolder",
    "MigrationRun",
    "Patch",
    "Recipient",
    "Rehearsal",
    "RetentionPass",
    "RetentionRule",
    "RetentionStop",
    "SmokeStatement",
    "Stored",
    "Upload",
]
