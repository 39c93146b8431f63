-- Tasklets, reduced to what its pack asks about. Each list of values has a value in it, NULL where that may be, and some
-- outside it: an invented one, and the imports' own. Invented rows.
CREATE TABLE tenants (id serial PRIMARY KEY, name text NOT NULL, plan text);
CREATE TABLE clients (id serial PRIMARY KEY, type text, tier text);
CREATE TABLE users (id serial PRIMARY KEY, role text);
CREATE TABLE products (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE product_sequences (id serial PRIMARY KEY, product_id int NOT NULL, issue_type text NOT NULL);
CREATE TABLE global_ticket_counters (id serial PRIMARY KEY, type text NOT NULL UNIQUE);
CREATE TABLE epics (id serial PRIMARY KEY, issue_key text UNIQUE, status text, resolution text);
CREATE TABLE features (id serial PRIMARY KEY, issue_key text UNIQUE, status text, resolution text);
CREATE TABLE sprints (id serial PRIMARY KEY, status text);
CREATE TABLE tickets (
    id text PRIMARY KEY, issue_key text NOT NULL UNIQUE, type text NOT NULL, status text, escalation_reason text,
    resolution text, parent_id text, source_idea_id integer
);
CREATE TABLE ideas (id serial PRIMARY KEY, status text, visibility text);
CREATE TABLE tags (id serial PRIMARY KEY, tenant_id int NOT NULL, name text NOT NULL, slug text NOT NULL);
CREATE TABLE ai_configs (
    id serial PRIMARY KEY, tenant_id int NOT NULL DEFAULT 1, slug text NOT NULL, content_type text, visibility text,
    active_version_id int, forked_from_id int, UNIQUE (tenant_id, slug)
);
CREATE TABLE ai_config_versions (id serial PRIMARY KEY, content_type text);
CREATE TABLE ai_config_usage (id serial PRIMARY KEY, action text NOT NULL);
CREATE TABLE idea_reactions (id serial PRIMARY KEY, reaction text NOT NULL);
CREATE TABLE dev_tasks (
    id serial PRIMARY KEY, issue_key text UNIQUE, type text, status text, severity text, environment text,
    resolution text, sprint_id int, parent_task_id int
);
CREATE TABLE requirements (id serial PRIMARY KEY, status text, resolution text);
CREATE TABLE requirement_amendments (id serial PRIMARY KEY, urgency text, status text);
CREATE TABLE team_members (id serial PRIMARY KEY, role text);
CREATE TABLE ticket_links (id serial PRIMARY KEY, link_type text NOT NULL);
DO $$
DECLARE each text;
BEGIN
    FOREACH each IN ARRAY string_to_array('client_products user_products teams api_keys addons ai_config_favorites'
        ' ai_config_tags attachments idea_comments idea_products idea_tickets modules components sprint_capacity'
        ' sprint_retros support_ticket_tasks task_assignments ticket_comments', ' ')
    LOOP
        EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY)', each);
    END LOOP;
END $$;
-- Not there: ticket_audit_log, ticket_watchers, and the unique index of tags.

INSERT INTO tenants (name, plan) VALUES
    ('Acme', 'free'), ('Acme', 'gold'), ('Other', NULL), ('systech', 'enterprise'), ('Acme', 'starter');
INSERT INTO clients (type, tier) VALUES ('owner', 'starter'), ('friend', 'huge'), (NULL, NULL), ('rival', 'business');
INSERT INTO users (role) VALUES ('ceo'), ('root'), (NULL), ('Admin'), ('developer');
INSERT INTO products (name) VALUES ('Tasklets'), ('CRM'), ('New');
INSERT INTO product_sequences (product_id, issue_type)
    SELECT p, t FROM generate_series(1, 2) p, unnest('{S,B,T,F,R,E,K,N}'::text[]) t WHERE p = 1 OR t <> 'N';
INSERT INTO product_sequences (product_id, issue_type) VALUES (9, 'X');
INSERT INTO global_ticket_counters (type) VALUES ('S'), ('F'), ('Q');
INSERT INTO epics (status, resolution) VALUES ('backlog', NULL), ('open', 'moved'), ('done', 'lost'), (NULL, NULL);
INSERT INTO features (status, resolution) VALUES ('planned', 'wont_do'), ('closed', 'lost'), (NULL, 'Lost');
INSERT INTO sprints (status) VALUES ('planning'), ('paused'), (NULL);
INSERT INTO tickets (id, issue_key, type, status, escalation_reason, resolution, parent_id, source_idea_id) VALUES
    ('T1', 'K1', 'bug', 'open', NULL, NULL, NULL, NULL), ('T2', 'K2', 'story', 'backlog', 'angry', 'cannot_reproduce', 'T1', 1),
    ('T3', 'K3', 'epic', 'done', 'other', 'eaten', 'T9', 77), ('T4', 'K4', 'saga', NULL, NULL, NULL, 'T8', NULL);
INSERT INTO ideas (status, visibility) VALUES ('inbox', 'public'), ('new', 'secret'), (NULL, NULL);
INSERT INTO tags (tenant_id, name, slug)
    SELECT 1, s, s FROM unnest('{system-prompt,template,workflow,skill,hook,mcp,codebase,documentation,analysis,testing,
        debugging,architecture,api,database,devops,performance}'::text[]) s;
INSERT INTO ai_configs (slug, content_type, visibility, active_version_id, forked_from_id) VALUES
    ('a', 'json', 'team', 1, NULL), ('b', 'xml', 'world', 50, 1), ('c', NULL, NULL, NULL, 40), ('d', 'toml', 'team', 51, 41);
INSERT INTO ai_config_versions (content_type) VALUES ('yaml'), ('xml'), (NULL);
INSERT INTO ai_config_usage (action) VALUES ('view'), ('delete'), ('copy');
INSERT INTO idea_reactions (reaction) VALUES ('fire'), ('ice');
INSERT INTO dev_tasks (type, status, severity, environment, resolution, sprint_id, parent_task_id) VALUES
    ('task', 'todo', 'minor', 'local', NULL, 1, NULL), ('bug', 'backlog', 'huge', 'moon', 'lost', 30, 1),
    ('story', 'completed', NULL, NULL, 'obsolete', 31, 99), (NULL, 'cancelled', 'major', 'mars', NULL, NULL, 3),
    ('saga', 'reopened', NULL, NULL, NULL, 32, NULL), ('task', NULL, NULL, 'staging', NULL, NULL, NULL);
INSERT INTO requirements (status, resolution) VALUES ('draft', NULL), ('open', 'lost'), (NULL, 'invalid');
INSERT INTO requirement_amendments (urgency, status) VALUES
    ('low', 'amendment_draft'), ('now', 'draft'), (NULL, NULL), ('medium', 'amendment_done');
INSERT INTO team_members (role) VALUES ('lead'), ('boss'), (NULL);
INSERT INTO ticket_links (link_type) VALUES ('blocks'), ('likes'), ('child_of');
