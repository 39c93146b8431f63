-- Invented rows for savings_schema.sql. Every number comes from one seed, so each installation gets the same data. What a
-- check is to find stands at the end.
SET search_path = public;
SET max_parallel_workers_per_gather = 0;
SET timezone = 'UTC';
SELECT setseed(0.20261120);

WITH words AS (
    SELECT ARRAY['Amira','Bruno','Chiara','Daan','Elif','Farid','Greta','Hugo','Ines','Jonas','Katja','Liam','Mira','Noor',
                 'Olga','Pavel','Quinn','Rosa','Sami','Tove','Ulla','Viktor','Wanda','Yara','Zeno'] AS first,
           ARRAY['Abel','Berg','Costa','Dahl','Eriksen','Fischer','Garcia','Haas','Ivanova','Jansen','Keller','Lopez','Moreau',
                 'Nowak','Okafor','Petrov','Rossi','Silva','Tanaka','Urban','Vogel','Weber','Yilmaz','Zimmer'] AS last
)
INSERT INTO users (public_id, email, name, phone, country, locale, settings, password, verified_at, created_at, updated_at)
SELECT md5('user' || n)::uuid,
       lower(f || '.' || l || n || '@example.test'),
       f || ' ' || l,
       CASE WHEN n % 3 = 0 THEN '+31 6 ' || lpad((n * 7919 % 100000000)::text, 8, '0') END,
       (ARRAY['NL','DE','FR','ES','IT','PT'])[1 + n % 6],
       (ARRAY['nl-NL','de-DE','fr-FR','es-ES','it-IT','pt-PT'])[1 + n % 6],
       jsonb_build_object('theme', (ARRAY['light','dark','system'])[1 + n % 3], 'weekly_mail', n % 4 <> 0, 'round_up', n % 5),
       '$argon2id$v=19$m=65536,t=3,p=4$' || md5('salt' || n) || '$' || md5('hash' || n),
       CASE WHEN n % 9 <> 0 THEN timestamptz '2024-02-01' + n * interval '3 hours' END,
       timestamptz '2024-01-31' + n * interval '3 hours',
       timestamptz '2026-11-01' - random() * interval '300 days'
FROM words, generate_series(1, 6000) AS n,
     LATERAL (SELECT first[1 + n % 25] AS f, last[1 + (n / 25 + n) % 24] AS l) AS name;

INSERT INTO accounts (user_id, iban, label, opened_on)
SELECT u.id, 'NL' || lpad((k * 10 + 7)::text, 2, '0') || 'DEMO' || lpad((u.id * 10 + k)::text, 10, '0'),
       (ARRAY['Everyday','Savings','Holiday'])[k], u.created_at::date
FROM users u, generate_series(1, 3) AS k
WHERE k = 1 OR (u.id + k) % 4 = 0;

INSERT INTO sessions (token, user_id, ip, agent, created_at, expires_at)
SELECT md5('session' || n) || md5('token' || n), 1 + n * 37 % 6000, ('192.0.2.' || n % 250)::inet,
       (ARRAY['Firefox on Linux','Safari on iPhone','Chrome on Android','Edge on Windows'])[1 + n % 4], at, at + interval '30 days'
FROM generate_series(1, 9000) AS n, LATERAL (SELECT timestamptz '2026-11-01' - random() * interval '60 days' + n * interval '0') AS t (at);

INSERT INTO goals (user_id, title, target, saved, status, due_on, tags, created_at)
SELECT 1 + n * 13 % 6000,
       (ARRAY['New bicycle','Summer in Lisbon','Rainy day fund','Piano lessons','Winter tyres','A bigger desk','Wedding of a friend',
              'Dentist','Studio deposit','Course in Dutch'])[1 + n % 10],
       (50 + n * 17 % 4950)::numeric, round((random() * (50 + n * 17 % 4950))::numeric, 2),
       (ARRAY['active','active','active','reached','paused','abandoned'])[1 + n % 6]::goal_status,
       date '2026-06-01' + n % 700, ARRAY[(ARRAY['home','travel','health','fun'])[1 + n % 4], 'q' || 1 + n % 4],
       timestamptz '2024-03-01' + n * interval '1 hour'
FROM generate_series(1, 12000) AS n;

INSERT INTO habits (user_id, goal_id, title, schedule, amount, is_active, created_at)
SELECT g.user_id, CASE WHEN n % 3 <> 0 THEN g.id END,
       (ARRAY['Skip the coffee','Cycle to work','Cook at home','Round up purchases','No-spend Sunday'])[1 + n % 5],
       (ARRAY['daily','daily','weekly','monthly'])[1 + n % 4], round((1 + random() * 20)::numeric, 2), n % 7 <> 0,
       timestamptz '2024-04-01' + n * interval '1 hour'
FROM generate_series(1, 12000) AS n JOIN goals g ON g.id = n;

INSERT INTO habit_logs (habit_id, day, amount, note)
SELECT h.id, date '2026-10-31' - d, h.amount,
       CASE WHEN (h.id + d) % 11 = 0 THEN (ARRAY['felt easy','forgot, made up for it','double today','rain, so no bike'])[1 + d % 4] END
FROM habits h, generate_series(0, 7) AS d;

INSERT INTO transactions (account_id, goal_id, kind, amount, reference, booked_at)
SELECT 1 + n * 31 % (SELECT max(id) FROM accounts), CASE WHEN n % 4 = 0 THEN 1 + n * 7 % 12000 END, kind,
       CASE WHEN kind IN ('withdrawal', 'fee') THEN -1 ELSE 1 END * round((0.5 + random() * 400)::numeric, 2),
       'TX-' || lpad(n::text, 9, '0') || '-' || substr(md5('tx' || n), 1, 8),
       timestamptz '2024-06-01' + n * interval '14 minutes'
FROM generate_series(1, 60000) AS n,
     LATERAL (SELECT (ARRAY['deposit','deposit','deposit','transfer','withdrawal','interest','fee'])[1 + n % 7]::transaction_kind) AS k (kind);

INSERT INTO points_ledger (user_id, points, reason, idempotency_key, created_at)
SELECT 1 + n * 41 % 6000, CASE WHEN n % 6 = 0 THEN -(n % 40) - 1 ELSE 1 + n % 60 END,
       (ARRAY['goal reached','habit kept','weekly streak','referral','voucher bought','first deposit'])[1 + n % 6],
       'points:' || n || ':' || substr(md5('points' || n), 1, 12), timestamptz '2024-06-01' + n * interval '15 minutes'
FROM generate_series(1, 50000) AS n;

INSERT INTO wallets (user_id, balance, points, level, updated_at)
SELECT u.id, round((random() * 3000)::numeric, 2), coalesce(p.points, 0), 1 + greatest(0, coalesce(p.points, 0)) / 250, timestamptz '2026-11-01'
FROM users u LEFT JOIN (SELECT user_id, sum(points)::int AS points FROM points_ledger GROUP BY user_id) p ON p.user_id = u.id;

INSERT INTO activity_events (user_id, type, payload, occurred_at)
SELECT 1 + n * 29 % 6000, (ARRAY['login','goal.created','habit.logged','transfer.made','profile.changed'])[1 + n % 5],
       jsonb_build_object('source', (ARRAY['web','ios','android'])[1 + n % 3], 'goal', n * 7 % 12000, 'step', n % 9,
                          'amount', round((random() * 100)::numeric, 2), 'trace', md5('event' || n)),
       timestamptz '2026-05-01' + n * interval '4 minutes'
FROM generate_series(1, 40000) AS n;

-- Faults as applications make them, for the first check to find: refunds came with numbers of their own from elsewhere, so
-- that their sequence was not told; and what they refer to is known to the application alone.
INSERT INTO refunds (id, user_id, amount, reason, created_at)
SELECT n, CASE WHEN n % 40 = 0 THEN 6000 + n ELSE 1 + n * 17 % 6000 END, round((1 + random() * 90)::numeric, 2),
       (ARRAY['fee charged twice','cancelled in time','complaint'])[1 + n % 3], timestamptz '2026-03-01' + n * interval '1 day'
FROM generate_series(1, 240) AS n;
