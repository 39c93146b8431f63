-- The demo's D1-shaped SQLite database: an invented app for good habits. Keys and times are text, booleans are 0 or 1,
-- JSON is text, as D1 applications keep them.
CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE d1_migrations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT UNIQUE,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE members (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'coach', 'admin')),
    approved   INTEGER NOT NULL DEFAULT 0 CHECK (approved IN (0, 1)),
    avatar_url TEXT,
    created_at TEXT NOT NULL DEFAULT (datetime('now')),
    updated_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE TABLE logins (
    id            TEXT PRIMARY KEY,
    member_id     TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    provider      TEXT NOT NULL,
    subject       TEXT NOT NULL,
    access_token  TEXT,
    expires_at    INTEGER,
    UNIQUE (provider, subject)
);
CREATE TABLE web_sessions (
    token      TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    expires_at TEXT NOT NULL
);
CREATE TABLE preferences (
    member_id TEXT PRIMARY KEY REFERENCES members (id) ON DELETE CASCADE,
    data_json TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE skills (
    id         TEXT PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    colour     TEXT NOT NULL DEFAULT '#8b5cf6',
    sort_order INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE member_skills (
    id        TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    skill_key TEXT NOT NULL REFERENCES skills (key),
    stars     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (member_id, skill_key)
);
CREATE TABLE badges (
    id          TEXT PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    rule_json   TEXT NOT NULL,
    is_hidden   INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE member_badges (
    id        TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    badge_key TEXT NOT NULL REFERENCES badges (key),
    earned_at TEXT NOT NULL,
    UNIQUE (member_id, badge_key)
);
CREATE TABLE quests (
    id          TEXT PRIMARY KEY,
    title       TEXT NOT NULL,
    difficulty  TEXT NOT NULL DEFAULT 'easy',
    coins       INTEGER NOT NULL DEFAULT 5,
    is_active   INTEGER NOT NULL DEFAULT 1,
    parent_id   TEXT REFERENCES quests (id) ON DELETE SET NULL
);
CREATE TABLE quest_progress (
    id           TEXT PRIMARY KEY,
    quest_id     TEXT NOT NULL REFERENCES quests (id) ON DELETE CASCADE,
    member_id    TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    progress     INTEGER NOT NULL DEFAULT 0,
    completed_at TEXT,
    UNIQUE (quest_id, member_id)
);
CREATE TABLE habits (
    id         TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    frequency  TEXT NOT NULL DEFAULT 'daily',
    is_active  INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL
);
CREATE TABLE habit_logs (
    id           TEXT PRIMARY KEY,
    habit_id     TEXT NOT NULL REFERENCES habits (id) ON DELETE CASCADE,
    completed_at TEXT NOT NULL,
    notes        TEXT
);
CREATE TABLE goals (
    id         TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    milestones TEXT NOT NULL DEFAULT '[]',
    progress   INTEGER NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    due_date   TEXT
);
CREATE TABLE focus_sessions (
    id           TEXT PRIMARY KEY,
    member_id    TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    minutes      INTEGER NOT NULL,
    status       TEXT NOT NULL DEFAULT 'completed',
    started_at   TEXT NOT NULL
);
CREATE TABLE exercises (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    category      TEXT NOT NULL,
    muscle_groups TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE workouts (
    id         TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    done_at    TEXT
);
CREATE TABLE workout_sets (
    id          TEXT PRIMARY KEY,
    workout_id  TEXT NOT NULL REFERENCES workouts (id) ON DELETE CASCADE,
    exercise_id TEXT NOT NULL REFERENCES exercises (id),
    position    INTEGER NOT NULL,
    reps        INTEGER NOT NULL,
    weight      REAL
);
CREATE TABLE books (
    id        TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    title     TEXT NOT NULL,
    pages     INTEGER NOT NULL,
    read      INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE journal_entries (
    id         TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    date       TEXT NOT NULL,
    mood       TEXT,
    content    TEXT NOT NULL,
    tags_json  TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE rewards (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    cost     INTEGER NOT NULL CHECK (cost > 0)
);
CREATE TABLE purchases (
    id           TEXT PRIMARY KEY,
    member_id    TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    reward_id    TEXT NOT NULL REFERENCES rewards (id),
    purchased_at TEXT NOT NULL
);
CREATE TABLE points_ledger (
    id              TEXT PRIMARY KEY,
    member_id       TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    coins           INTEGER NOT NULL,
    reason          TEXT NOT NULL,
    idempotency_key TEXT UNIQUE,
    created_at      TEXT NOT NULL
);
CREATE TABLE activity_events (
    id         TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    event_type TEXT NOT NULL,
    metadata   TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL
);
CREATE TABLE notifications (
    id        TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    title     TEXT NOT NULL,
    is_read   INTEGER NOT NULL DEFAULT 0,
    sent_at   TEXT NOT NULL
);
CREATE INDEX idx_habits_member ON habits (member_id);
CREATE INDEX idx_habit_logs_habit ON habit_logs (habit_id, completed_at);
CREATE INDEX idx_points_ledger_member ON points_ledger (member_id, created_at);
CREATE INDEX idx_activity_events_member ON activity_events (member_id, created_at);
CREATE INDEX idx_notifications_unread ON notifications (member_id) WHERE is_read = 0;
CREATE VIEW leaderboard AS
    SELECT m.id, m.name, sum(p.coins) AS coins FROM members m JOIN points_ledger p ON p.member_id = m.id GROUP BY m.id;
CREATE TRIGGER members_touch AFTER UPDATE OF name, email ON members
BEGIN
    UPDATE members SET updated_at = datetime('now') WHERE id = NEW.id;
END;
