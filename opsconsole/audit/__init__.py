"""The audit history: recorded with the change it tells of, chained afterwards, and able to prove itself."""

from opsconsole.audit.actors import Actor, acting_as, actor_for, current
from opsconsole.audit.catalogue import add
from opsconsole.audit.checkpoints import checkpoint
from opsconsole.audit.event_types import KERNEL_EVENTS
from opsconsole.audit.reading import Filters, events, head, proof
from opsconsole.audit.record import record
from opsconsole.audit.sealing import seal, seal_all
from opsconsole.audit.sentences import describe
from opsconsole.audit.startup import after_migrate, before_migrate, console_started
from opsconsole.audit.verification import verify, verify_and_record

__all__ = [
    "Actor", "Filters", "acting_as", "actor_for", "after_migrate", "before_migrate", "checkpoint", "console_started",
    "current", "describe", "events", "head", "proof", "record", "seal", "seal_all", "verify", "verify_and_record",
]  # fmt: skip

add(KERNEL_EVENTS)
