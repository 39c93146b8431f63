-- AV-Daily, reduced to what its pack asks about; no foreign keys, so that orphans can be planted. Invented rows.
CREATE TABLE "user" (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, phone_number text, kyc_tier int);
CREATE INDEX user_email_idx ON "user" (email);
CREATE INDEX user_phone_idx ON "user" (phone_number);
CREATE TABLE session (id int PRIMARY KEY);
CREATE TABLE account (id int PRIMARY KEY);
CREATE TABLE verification (id int PRIMARY KEY);
CREATE TABLE savings_plans (
    id int PRIMARY KEY, user_id int, status text NOT NULL DEFAULT 'active', start_date date NOT NULL,
    end_date date NOT NULL, current_amount numeric(15,2) NOT NULL DEFAULT 0
);
CREATE INDEX savings_plans_user_idx ON savings_plans (user_id);
CREATE TABLE transactions (
    id int PRIMARY KEY, user_id int, plan_id int, amount numeric(15,2) NOT NULL, type text NOT NULL, status text NOT NULL
);
CREATE INDEX transactions_user_idx ON transactions (user_id);
CREATE TABLE wallets (id int PRIMARY KEY, user_id int, balance numeric(15,2) NOT NULL);
CREATE INDEX wallets_user_idx ON wallets (user_id);
CREATE TABLE ajo_groups (
    id int PRIMARY KEY, organizer_id int, current_member_count int NOT NULL, contribution_amount numeric(15,2) NOT NULL,
    total_collected numeric(15,2) NOT NULL DEFAULT 0, total_disbursed numeric(15,2) NOT NULL DEFAULT 0
);
CREATE TABLE group_members (
    id int PRIMARY KEY, group_id int NOT NULL, user_id int NOT NULL, status text NOT NULL DEFAULT 'active',
    total_contributed numeric(15,2) NOT NULL DEFAULT 0
);
CREATE TABLE group_contributions (
    id int PRIMARY KEY, group_id int NOT NULL, member_id int NOT NULL, round int NOT NULL, amount numeric(15,2) NOT NULL,
    status text NOT NULL
);
CREATE TABLE group_payouts (
    id int PRIMARY KEY, group_id int NOT NULL, member_id int NOT NULL, round int NOT NULL, amount numeric(15,2) NOT NULL,
    service_fee numeric(15,2) NOT NULL, net_amount numeric(15,2) NOT NULL, status text NOT NULL
);
CREATE TABLE permissions (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE roles (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE user_roles (id int PRIMARY KEY);
CREATE TABLE role_permissions (id int PRIMARY KEY);
CREATE TABLE user_analytics (
    id int PRIMARY KEY, user_id int NOT NULL, active_plans int NOT NULL, completed_plans int NOT NULL
);
CREATE TABLE notifications (id int PRIMARY KEY);
-- Not there: notification_preferences, and the index ajo_groups_organizer_idx.

INSERT INTO "user" VALUES
    (1, 'Ada', 'ada@example.test', '1', 2), (2, 'Ben', 'ben@example.test', '2', 1), (3, 'Cleo', 'cleo@example.test', NULL, 0),
    (4, 'Dan', 'dan@example.test', NULL, 3), (5, 'Eve', 'eve@example.test', NULL, NULL);
INSERT INTO wallets VALUES (1, 1, 100), (2, 2, 0), (3, 3, -0.01), (4, 90, 5), (5, NULL, 5), (6, 91, -7);
INSERT INTO savings_plans VALUES
    (1, 1, 'active', '2026-01-01', '2026-06-01', 3000), (2, 2, 'completed', '2026-01-01', '2026-01-01', 60),
    (3, 2, 'paused', '2026-02-02', '2026-02-01', 0), (4, 92, 'active', '2026-01-01', '2026-06-01', 0),
    (5, 1, 'active', '2026-01-01', '2026-06-01', 50.01);
INSERT INTO transactions VALUES
    (1, 1, 1, 100, 'contribution', 'completed'), (2, 2, 2, 100, 'contribution', 'completed'),
    (3, 2, 2, 40, 'withdrawal', 'completed'), (4, 2, 2, 500, 'contribution', 'pending'),
    (5, 2, 2, 7, 'interest', 'completed'), (6, 93, NULL, 0, 'refund', 'completed'),
    (7, 1, NULL, -5, 'penalty', 'failed'), (8, 1, 5, 50, 'contribution', 'completed'), (9, 94, NULL, 1, 'refund', 'failed');
INSERT INTO user_analytics VALUES (1, 1, 2, 0), (2, 2, 0, 1), (3, 3, 1, 0), (4, 4, 0, 1), (5, 5, 0, 0);
-- Group 1 is sound, and so are its members. Of group 2 nothing adds up; group 3 has no rows at all and says so.
INSERT INTO ajo_groups VALUES (1, 1, 2, 50, 200, 98), (2, 2, 3, 50, 75, 10), (3, 3, 0, 10, 0, 0), (4, 3, 0, 10, 5.02, 0);
INSERT INTO group_members VALUES
    (1, 1, 1, 'active', 100), (2, 1, 2, 'active', 100), (3, 2, 3, 'active', 20), (4, 2, 2, 'removed', 0.01),
    (5, 99, 1, 'active', 0), (6, 2, 95, 'suspended', 0), (7, 98, 96, 'removed', 0);
INSERT INTO group_contributions VALUES
    (1, 1, 1, 1, 50, 'completed'), (2, 1, 2, 1, 50, 'completed'), (3, 1, 1, 2, 50, 'completed'),
    (4, 1, 2, 2, 50, 'completed'), (5, 1, 1, 3, 20, 'pending'), (6, 2, 3, 1, 50, 'completed'), (7, 2, 3, 1, 30, 'completed'),
    (8, 2, 3, 2, 50, 'failed'), (9, 4, 5, 1, 5, 'late');
INSERT INTO group_payouts VALUES
    (1, 1, 1, 1, 100, 2, 98, 'completed'), (2, 1, 2, 2, 100, 2, 98, 'pending'), (3, 2, 3, 1, 100, 2, 100, 'completed'),
    (4, 2, 3, 2, 50, 1, 48.99, 'pending'), (5, 2, 3, 3, 50, 1, 48.98, 'failed');
INSERT INTO roles VALUES (1, 'user');
INSERT INTO permissions VALUES (1, 'user:read'), (2, 'savings:read'), (3, 'savings:write'), (4, 'wallet:read'), (5, 'group:read');
