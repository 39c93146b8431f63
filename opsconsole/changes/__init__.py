"""Changes of the console itself (people, policies, databases, environments): one noun a file, one table of all.

Each is asked for like any operation, confirmed by somebody else, and done in one transaction. Apps add theirs with
`register_change` in their `AppConfig.ready()`.
"""

from __future__ import annotations

from opsconsole.changes.accounts import Activate, Deactivate, ResetPassword
from opsconsole.changes.base import Change, Draft, every_change, get_change, register_change
from opsconsole.changes.databases import AddDatabase, EditDatabase, RemoveDatabase
from opsconsole.changes.environments import AddEnvironment, EditEnvironment
from opsconsole.changes.memberships import AddMembership, RemoveMembership
from opsconsole.changes.operations import Settle
from opsconsole.changes.people import AddPerson, ChangeEmail
from opsconsole.changes.policies import DisablePolicy, SetPolicy
from opsconsole.changes.schedules import SetSchedule, SwitchScheduleOff
from opsconsole.changes.secrets import Reencrypt
from opsconsole.changes.stores import AddStore, EditStore, RetireStore
from opsconsole.changes.trust import TrustKey

__all__ = ["Change", "Draft", "every_change", "get_change", "register_change"]

for _change in (
    AddPerson(), ChangeEmail(), AddMembership(), RemoveMembership(), ResetPassword(), Deactivate(), Activate(),
    AddDatabase(), EditDatabase(), RemoveDatabase(), AddEnvironment(), EditEnvironment(), SetPolicy(), DisablePolicy(),
    Settle(), Reencrypt(), SetSchedule(), SwitchScheduleOff(), AddStore(), EditStore(), RetireStore(), TrustKey(),
):  # fmt: skip
    register_change(_change)
