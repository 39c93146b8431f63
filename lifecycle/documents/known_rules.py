"""Ready rules of known projects, by the project. Data only; see `upgrades` for the form.

Source: what Ignition's own restore fills in by version, its documented move of progress to wallets at version 20, and
the names of Tasklets' schema, which are camelCase in its code and snake_case in its database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IGNITION: Mapping[str, Any] = {
    "steps": [
        {"below": 4, "table": "users", "set": {"approved": 0, "denial_reason": None}},
        {"below": 7, "table": "users", "set": {"age_verified": 0, "age_verified_at": None, "role": "user"}},
        {"below": 7, "table": "quests", "set": {"is_universal": 0, "created_by": None}},
        {"below": 12, "table": "users", "set": {"tos_accepted": 0, "tos_accepted_at": None, "tos_version": None}},
        {"below": 12, "table": "db_metadata", "empty": True},
        {"below": 13, "table": "users", "set": {"last_activity_at": None}},
        {
            "below": 20,
            "table": "user_wallet",
            "derive": {
                "from": "user_progress",
                "columns": {
                    "id": "id",
                    "user_id": "user_id",
                    "coins": "coins",
                    "xp": "total_xp",
                    "level": "current_level",
                    "total_skill_stars": "total_skill_stars",
                    "updated_at": "updated_at",
                },
            },
        },
    ],
}
TASKLETS: Mapping[str, Any] = {"names": "camel_to_snake"}
