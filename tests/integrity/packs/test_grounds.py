"""Every rule of every pack, run on a reduced schema of its project with planted faults, beside a count by hand."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from integrity.checks.base import Found
from integrity.packs.specs import specs_of
from opsconsole import packs
from tests.integrity.conftest import Ground

GROUNDS = Path(__file__).with_name("grounds")
AVDAILY = {
    "orphaned-wallets": 'SELECT count(*) FROM public.wallets w LEFT JOIN public."user" u ON w.user_id = u.id'
    " WHERE u.id IS NULL AND w.user_id IS NOT NULL",
    "orphaned-savings-plans": "SELECT count(*) FROM public.savings_plans p"
    ' LEFT JOIN public."user" u ON p.user_id = u.id WHERE u.id IS NULL',
    "orphaned-transactions": "SELECT count(*) FROM public.transactions x"
    ' LEFT JOIN public."user" u ON x.user_id = u.id WHERE u.id IS NULL',
    "orphaned-group-members": "SELECT count(*) FROM public.group_members m"
    ' LEFT JOIN public.ajo_groups g ON m.group_id = g.id LEFT JOIN public."user" u ON m.user_id = u.id'
    " WHERE g.id IS NULL OR u.id IS NULL",
    "negative-wallet-balances": "SELECT count(*) FROM public.wallets WHERE balance < 0",
    "plans-ending-before-they-start": "SELECT count(*) FROM public.savings_plans WHERE end_date < start_date",
    "kyc-tiers": 'SELECT count(*) FROM public."user" WHERE kyc_tier > 2 OR kyc_tier < 0',
    "group-member-counts": "SELECT count(*) FROM (SELECT g.id FROM public.ajo_groups g LEFT JOIN public.group_members m"
    " ON m.group_id = g.id AND m.status = 'active' GROUP BY g.id HAVING g.current_member_count <> count(m.id)) n",
    "transaction-amounts": "SELECT count(*) FROM public.transactions WHERE NOT amount > 0",
    "plan-amounts": "SELECT count(*) FROM (SELECT p.id FROM public.savings_plans p LEFT JOIN public.transactions x"
    " ON x.plan_id = p.id AND x.status = 'completed' GROUP BY p.id HAVING abs(p.current_amount"
    " - coalesce(sum(x.amount) FILTER (WHERE x.type = 'contribution'), 0)"
    " + coalesce(sum(x.amount) FILTER (WHERE x.type = 'withdrawal'), 0)) > 0.01) n",
    "user-analytics": "SELECT count(*) FROM (SELECT a.id FROM public.user_analytics a LEFT JOIN public.savings_plans p"
    " ON p.user_id = a.user_id GROUP BY a.id HAVING a.active_plans <> count(*) FILTER (WHERE p.status = 'active')"
    " OR a.completed_plans <> count(*) FILTER (WHERE p.status = 'completed')) n",
    "group-contributions-of-members": "SELECT count(*) FROM (SELECT m.id FROM public.group_members m"
    " LEFT JOIN public.group_contributions c ON c.member_id = m.id AND c.status = 'completed'"
    " GROUP BY m.id HAVING abs(m.total_contributed - coalesce(sum(c.amount), 0)) > 0.01) n",
    "group-contributions-collected": "SELECT count(*) FROM (SELECT g.id FROM public.ajo_groups g"
    " LEFT JOIN public.group_contributions c ON c.group_id = g.id AND c.status = 'completed'"
    " GROUP BY g.id HAVING abs(g.total_collected - coalesce(sum(c.amount), 0)) > 0.01) n",
    "group-contribution-amounts": "SELECT count(*) FROM public.group_contributions c JOIN public.ajo_groups g"
    " ON g.id = c.group_id WHERE c.status = 'completed' AND c.amount <> g.contribution_amount",
    "group-payouts-net": "SELECT count(*) FROM public.group_payouts WHERE net_amount NOT BETWEEN"
    " amount - service_fee - 0.01 AND amount - service_fee + 0.01",
    "group-payouts-of-rounds": "SELECT count(*) FROM (SELECT p.id FROM public.group_payouts p"
    " LEFT JOIN public.group_contributions c ON c.group_id = p.group_id AND c.round = p.round"
    " AND c.status = 'completed' WHERE p.status = 'completed' GROUP BY p.id"
    " HAVING abs(p.amount - coalesce(sum(c.amount), 0)) > 0.01) n",
    "group-payouts-disbursed": "SELECT count(*) FROM (SELECT g.id FROM public.ajo_groups g"
    " LEFT JOIN public.group_payouts p ON p.group_id = g.id AND p.status = 'completed'"
    " GROUP BY g.id HAVING abs(g.total_disbursed - coalesce(sum(p.net_amount), 0)) > 0.01) n",
    "roles": {"roles: admin"},
    "permissions": {"permissions: wallet:write", "permissions: group:write"},
    "expected-shape": {"table notification_preferences", "index ajo_groups_organizer_idx"},
}
SOLANA = {
    "empty-usernames": 'SELECT count(*) FROM public."User" WHERE length(username) = 0',
    "duplicate-usernames": 'SELECT count(*) FROM public."User" u WHERE 1 < (SELECT count(*) FROM public."User" v'
    " WHERE v.username = u.username)",
    "duplicate-privy-ids": 'SELECT count(*) FROM public."User" u WHERE 1 < (SELECT count(*) FROM public."User" v'
    ' WHERE v."privyDid" = u."privyDid")',
    "users-without-wallet": 'SELECT (SELECT count(*) FROM public."User") - (SELECT count(*) FROM public."User"'
    " WHERE \"solanaWalletAddress\" <> '' OR \"embeddedWalletAddress\" <> '')",
    "og-without-reason": 'SELECT (SELECT count(*) FROM public."User" WHERE "isOG") - (SELECT count(*)'
    ' FROM public."User" WHERE "isOG" AND "ogReason" > \'\')',
    "users-do-not-become-fewer": 3,
    "points-logs-without-user": 'SELECT count(*) FROM public."DailyPointsLog" l WHERE NOT EXISTS'
    ' (SELECT 1 FROM public."User" u WHERE u."privyDid" = l."userId")',
    "achievements": {"Achievement: Whale", "Achievement: Millionaire"},
    "expected-shape": {"table Like", "column User.totalPoints", "index on User (username)"},
}
IGNITION = {
    "users-without-email": "SELECT count(*) - count(email) FROM {0}users",
    "users-without-name": "SELECT count(*) - count(name) FROM {0}users",
    "users-without-account": "SELECT count(*) FROM {0}users WHERE id NOT IN (SELECT {1} FROM {0}accounts)",
    "orphaned-accounts": "SELECT count(*) FROM {0}accounts WHERE {1} NOT IN (SELECT id FROM {0}users)",
    "orphaned-sessions": "SELECT count(*) FROM {0}sessions WHERE {1} NOT IN (SELECT id FROM {0}users)",
}
ON_D1 = {name: sql.format("", "userId") for name, sql in IGNITION.items()} | {
    "expired-sessions": "SELECT count(*) FROM sessions WHERE datetime(expires) < datetime('now')",
    "old-activity-events": "SELECT count(*) FROM activity_events WHERE created_at < datetime('now', '-1 year')",
    "points-to-archive": "SELECT count(*) FROM points_ledger WHERE created_at < datetime('now', '-6 months')",
    "onboarding-steps": 1,
    "skill-definitions": {"skill_definitions: proficiency", "skill_definitions: kindness"},
    "achievement-definitions": {"rows of achievement_definitions"},
    "onboarding-flow": set(),
    "expected-shape": {"table habit_logs", "table market_items"},
}
ON_POSTGRES = {name: sql.format("public.", "user_id") for name, sql in IGNITION.items()} | {
    "expired-sessions": "SELECT count(*) FROM public.sessions WHERE expires_at < now()",
    "old-activity-events": "SELECT count(*) FROM public.activity_events WHERE created_at < now() - interval '1 year'",
    "points-to-archive": "SELECT count(*) FROM public.points_ledger WHERE created_at < now() - interval '6 months'",
    "onboarding-steps": 0,
    "skill-definitions": set[str](),
    "achievement-definitions": {"rows of achievement_definitions"},
    "onboarding-flow": {"rows of onboarding_flows"},
    "expected-shape": {"table audit_log", "column users.approved"},
}
LISTS = {  # how many values of the seed stand in none of the lists, counted by eye
    "tenants-plan": 1, "clients-type": 2, "clients-tier": 1, "users-role": 2, "epics-status": 2, "epics-resolution": 1,
    "features-status": 1, "features-resolution": 2, "sprints-status": 1, "tickets-type": 2, "tickets-status": 2,
    "tickets-escalation-reason": 1, "tickets-resolution": 1, "ideas-status": 1, "ideas-visibility": 1,
    "ai-configs-content-type": 2, "ai-configs-visibility": 1, "ai-config-versions-content-type": 1,
    "ai-config-usage-action": 1, "idea-reactions-reaction": 1, "product-sequences-issue-type": 1,
    "global-ticket-counters-type": 1, "dev-tasks-type": 2, "dev-tasks-severity": 1, "dev-tasks-environment": 2,
    "dev-tasks-resolution": 1, "dev-tasks-status": 1, "dev-tasks-status-of-imports": 3, "requirements-status": 1,
    "requirements-resolution": 1, "requirement-amendments-urgency": 1, "requirement-amendments-status": 2,
    "team-members-role": 1, "ticket-links-link-type": 1,
}  # fmt: skip
GONE = "SELECT count(c.{1}) FROM public.{0} c LEFT JOIN public.{2} p ON p.id = c.{1} WHERE p.id IS NULL"
TASKLETS = LISTS | {
    "ai-configs-without-active-version": GONE.format("ai_configs", "active_version_id", "ai_config_versions"),
    "ai-configs-without-origin": GONE.format("ai_configs", "forked_from_id", "ai_configs"),
    "tickets-without-parent": GONE.format("tickets", "parent_id", "tickets"),
    "tickets-without-idea": GONE.format("tickets", "source_idea_id", "ideas"),
    "tasks-without-sprint": GONE.format("dev_tasks", "sprint_id", "sprints"),
    "tasks-without-parent": GONE.format("dev_tasks", "parent_task_id", "dev_tasks"),
    "duplicate-tenants": "SELECT count(*) FROM public.tenants a WHERE EXISTS (SELECT 1 FROM public.tenants b"
    " WHERE b.name = a.name AND b.id <> a.id)",
    "product-sequences": 2,
    "tenant": {"tenants: SysTech"},
    "tags": {"tags: code-generation", "tags: security"},
    "expected-shape": {"table ticket_audit_log", "table ticket_watchers", "index on tags (tenant_id, slug)"},
}
BEFORE = {"public.User": 9}


@pytest.mark.parametrize(
    ("pack", "script", "by_hand", "ground"),
    [
        ("avdaily", "avdaily", AVDAILY, "postgresql"),
        ("tasklets", "tasklets", TASKLETS, "postgresql"),
        ("solana", "solana", SOLANA, "postgresql"),
        ("ignition", "ignition_postgres", ON_POSTGRES, "postgresql"),
        ("ignition", "ignition_d1", ON_D1, "sqlite"),
    ],
    indirect=["ground"],
)
def test_every_rule_of_a_pack_counts_what_a_query_by_hand_counts(
    pack: str, script: str, by_hand: dict[str, Any], ground: Ground
):
    ground.change((GROUNDS / f"{script}.sql").read_text())
    rules = specs_of(packs.get(pack), ground.vendor)
    told = ground.look(rules=rules, before=BEFORE)
    findings: defaultdict[str, list[Found]] = defaultdict(list)
    for each in told:
        if isinstance(each, Found):
            findings[each.check.removeprefix("rule:")].append(each)
    with ground.moment() as moment:
        wanted = {
            name: int(moment.inquiry.ask(how)[0][0]) if isinstance(how, str) else how for name, how in by_hand.items()
        }
    assert [found.sentence for some in findings.values() for found in some if found.failed] == []
    assert {rule.name: _seen(findings[rule.name], wanted.get(rule.name)) for rule in rules} == wanted
    assert sum(bool(count) for count in wanted.values()) >= len(wanted) - 3, "nearly every rule has a fault planted"
    assert {each.check for each in told} == {rule.check for rule in rules}, "each rule tells something, sound or not"


def test_what_the_migration_manager_failed_for_is_critical_and_what_it_warned_of_a_warning(
    on_postgres: Ground,
):
    on_postgres.change((GROUNDS / "avdaily.sql").read_text())
    (shape,) = (rule for rule in specs_of(packs.get("avdaily"), "postgresql") if rule.kind == "shape")
    found = on_postgres.found(rules=[shape])
    assert {subject: each.severity.value for subject, each in found.items()} == {
        "table notification_preferences": "critical",
        "index ajo_groups_organizer_idx": "warning",
    }
    on_postgres.change(
        "CREATE TABLE notification_preferences (id int PRIMARY KEY);"
        "CREATE INDEX ajo_groups_organizer_idx ON ajo_groups (organizer_id)"
    )
    assert on_postgres.found(rules=[shape]) == {}


def _seen(found: list[Found], wanted: Any) -> Any:
    if isinstance(wanted, set):
        return {each.subject for each in found}
    return sum(each.count for each in found)
