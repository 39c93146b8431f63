-- Ignition on D1, reduced to what its pack asks about; no foreign keys, so that orphans can be planted. Invented rows.
CREATE TABLE users (
    id TEXT PRIMARY KEY, name TEXT, email TEXT UNIQUE, emailVerified INTEGER, role TEXT, approved INTEGER, created_at TEXT
);
CREATE TABLE accounts (id TEXT PRIMARY KEY, userId TEXT NOT NULL, provider TEXT, providerAccountId TEXT);
CREATE TABLE sessions (id TEXT PRIMARY KEY, sessionToken TEXT NOT NULL UNIQUE, userId TEXT NOT NULL, expires TEXT NOT NULL);
CREATE TABLE verification_tokens (identifier TEXT, token TEXT);
CREATE TABLE db_metadata (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE activity_events (id TEXT PRIMARY KEY, user_id TEXT, created_at TEXT NOT NULL);
CREATE TABLE focus_sessions (id TEXT PRIMARY KEY);
CREATE TABLE calendar_events (id TEXT PRIMARY KEY);
CREATE TABLE quests (id TEXT PRIMARY KEY);
CREATE TABLE habits (id TEXT PRIMARY KEY);
CREATE TABLE goals (id TEXT PRIMARY KEY);
CREATE TABLE goal_milestones (id TEXT PRIMARY KEY);
CREATE TABLE exercises (id TEXT PRIMARY KEY);
CREATE TABLE workouts (id TEXT PRIMARY KEY);
CREATE TABLE books (id TEXT PRIMARY KEY);
CREATE TABLE reading_sessions (id TEXT PRIMARY KEY);
CREATE TABLE skill_definitions (id TEXT PRIMARY KEY, key TEXT UNIQUE, name TEXT NOT NULL);
CREATE TABLE daily_plans (id TEXT PRIMARY KEY);
CREATE TABLE notifications (id TEXT PRIMARY KEY);
CREATE TABLE infobase_entries (id TEXT PRIMARY KEY);
CREATE TABLE user_wallet (id TEXT PRIMARY KEY);
CREATE TABLE user_skills (id TEXT PRIMARY KEY);
CREATE TABLE achievement_definitions (id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE user_achievements (id TEXT PRIMARY KEY);
CREATE TABLE points_ledger (id TEXT PRIMARY KEY, user_id TEXT, created_at TEXT NOT NULL);
CREATE TABLE onboarding_flows (id TEXT PRIMARY KEY, name TEXT, total_steps INTEGER NOT NULL);
CREATE TABLE onboarding_steps (id TEXT PRIMARY KEY, flow_id TEXT NOT NULL);
-- Not there: habit_logs (critical) and market_items (a warning).

INSERT INTO users (id, name, email) VALUES
    ('u1', 'Ada', 'ada@example.test'), ('u2', NULL, 'ben@example.test'), ('u3', 'Cleo', NULL), ('u4', NULL, NULL);
INSERT INTO accounts VALUES ('a1', 'u1', 'g', '1'), ('a2', 'u2', 'g', '2'), ('a3', 'gone', 'g', '3'), ('a4', 'u1', 'x', '4');
INSERT INTO sessions VALUES
    ('s1', 't1', 'u1', datetime('now', '+1 day')), ('s2', 't2', 'u2', datetime('now', '-1 day')),
    ('s3', 't3', 'gone', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour')), ('s4', 't4', 'u1', 'soon'),
    ('s5', 't5', 'gone', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 hour'));
INSERT INTO activity_events VALUES
    ('e1', 'u1', datetime('now', '-2 years')), ('e2', 'u1', datetime('now', '-11 months')), ('e3', 'u1', 'unknown');
INSERT INTO points_ledger VALUES ('p1', 'u1', datetime('now', '-7 months')), ('p2', 'u1', datetime('now', '-5 months'));
INSERT INTO skill_definitions VALUES ('1', 'knowledge', 'Knowledge'), ('2', 'guts', 'Guts'), ('3', 'charm', 'Charm'), ('4', NULL, 'x');
INSERT INTO achievement_definitions VALUES ('1', 'first'), ('2', 'second');
INSERT INTO onboarding_flows VALUES ('f1', 'usual', 2), ('f2', 'short', 1);
INSERT INTO onboarding_steps VALUES ('o1', 'f1'), ('o2', 'f1');
