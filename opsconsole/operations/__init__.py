"""What people do with operations: request, approve, reject, cancel, retry, settle. Pages and commands call these.

Each verb checks, acts and records in one transaction. Reading a target (making a plan) happens before the
transaction; telling the workers happens after it.
"""

from opsconsole.operations.confirming import Typed
from opsconsole.operations.ending import cancel, settle
from opsconsole.operations.requesting import clean, draft, request, request_change, retry
from opsconsole.operations.voting import approve, reject, withdraw

__all__ = [
    "Typed",
    "approve",
    "cancel",
    "clean",
    "draft",
    "reject",
    "request",
    "request_change",
    "retry",
    "settle",
    "withdraw",
]
