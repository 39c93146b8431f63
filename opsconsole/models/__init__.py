"""The console's own tables, one noun a file."""

from opsconsole.models.approvals import ExecutionGrant, Policy, Vote
from opsconsole.models.audit import AuditCheckpoint, AuditEvent, AuditPending, AuditSeal
from opsconsole.models.databases import Database, DatabaseNote, Environment
from opsconsole.models.operations import (
    FenceCounter,
    Installation,
    Operation,
    OperationLine,
    OperationSecret,
    OperationTarget,
    WorkerHost,
)
from opsconsole.models.people import (
    Account,
    Bootstrap,
    CredentialSeal,
    Membership,
    OwnerGroup,
    Person,
    Role,
    Token,
)
from opsconsole.models.schedules import Schedule, ScheduleSlot
from opsconsole.models.stores import Store, TrustedKey

__all__ = [
    "Account",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditPending",
    "AuditSeal",
    "Bootstrap",
    "CredentialSeal",
    "Database",
    "DatabaseNote",
    "Environment",
    "ExecutionGrant",
    "FenceCounter",
    "Installation",
    "Membership",
    "Operation",
    "OperationLine",
    "OperationSecret",
    "OperationTarget",
    "OwnerGroup",
    "Person",
    "Policy",
    "Role",
    "Schedule",
    "ScheduleSlot",
    "Store",
    "Token",
    "TrustedKey",
    "Vote",
    "WorkerHost",
]
