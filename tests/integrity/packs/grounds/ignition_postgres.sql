-- Ignition on PostgreSQL, reduced to what its pack asks about. Invented rows.
CREATE TABLE users (id uuid PRIMARY KEY, name text, email text, email_verified timestamptz, approved integer);
CREATE TABLE accounts (id serial PRIMARY KEY, user_id uuid NOT NULL, provider text, provider_account_id text);
CREATE TABLE sessions (id serial PRIMARY KEY, user_id uuid NOT NULL, expires_at timestamp with time zone NOT NULL);
CREATE TABLE skill_definitions (id serial PRIMARY KEY, key text NOT NULL UNIQUE);
CREATE TABLE achievement_definitions (id serial PRIMARY KEY, key text NOT NULL UNIQUE);
CREATE TABLE activity_events (id serial PRIMARY KEY, created_at timestamptz NOT NULL);
CREATE TABLE points_ledger (id serial PRIMARY KEY, created_at timestamptz NOT NULL);
CREATE TABLE onboarding_flows (id serial PRIMARY KEY, total_steps int NOT NULL);
CREATE TABLE onboarding_steps (id serial PRIMARY KEY, flow_id int NOT NULL);
DO $$
DECLARE each text;
BEGIN
    FOREACH each IN ARRAY string_to_array('verification_tokens roles entitlements feature_flags user_skills'
        ' user_achievements user_progress user_wallet user_streaks habits habit_completions goals goal_milestones'
        ' universal_quests user_quests focus_sessions daily_plans books reading_sessions market_items user_purchases'
        ' learn_topics', ' ')
    LOOP
        EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY)', each);
    END LOOP;
END $$;
-- Not there: audit_log; users.approved is a number, as in D1.

INSERT INTO users (id, name, email) VALUES
    ('00000000-0000-4000-8000-000000000001', 'Ada', 'ada@example.test'),
    ('00000000-0000-4000-8000-000000000002', NULL, 'ben@example.test'),
    ('00000000-0000-4000-8000-000000000003', 'Cleo', NULL);
INSERT INTO accounts (user_id) VALUES
    ('00000000-0000-4000-8000-000000000001'), ('00000000-0000-4000-8000-000000000009'),
    ('00000000-0000-4000-8000-000000000003');
INSERT INTO sessions (user_id, expires_at) VALUES
    ('00000000-0000-4000-8000-000000000001', now() + interval '1 day'),
    ('00000000-0000-4000-8000-000000000002', now() - interval '1 day'),
    ('00000000-0000-4000-8000-000000000009', now() + interval '1 day'),
    ('00000000-0000-4000-8000-000000000008', now() - interval '1 day');
INSERT INTO skill_definitions (key) VALUES ('knowledge'), ('guts'), ('proficiency'), ('charm'), ('kindness');
INSERT INTO achievement_definitions (key) SELECT 'achievement ' || n FROM generate_series(1, 14) n;
INSERT INTO activity_events (created_at) VALUES (now() - interval '13 months'), (now() - interval '11 months');
INSERT INTO points_ledger (created_at) VALUES (now() - interval '7 months'), (now() - interval '8 months'), (now());
INSERT INTO onboarding_steps (flow_id) VALUES (1);
