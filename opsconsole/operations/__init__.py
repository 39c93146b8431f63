"""What people do with operations: request, approve, reject, cancel, retry, settle. Pages and commands call these.

Each verb checks, acts and records in one transaction. Reading a target (making a plan) happens before the
transaction; telling the workers happens after it.
"""

from opsconsole.operations.confirming import Typed
from opsconsole.operations.ending import cancel, settle
from opsconsole.operations.recording import Carried
from opsconsole.operations.requesting import Prepared, draft, prepare, request, request_change, retry, submit
from opsconsole.operations.voting import approve, reject, withdraw
from opsconsole.operations.waiting import AlreadyWaits
from opsconsole.parameters import clean

__all__ = [
    "AlreadyWaits",
    "Carried",
    "Prepared",
    "Typed",
    "approve",
    "cancel",
    "clean",
    "draft",
    "prepare",
    "reject",
    "request",
    "request_change",
    "retry",
    "settle",
    "submit",
    "withdraw",
]
