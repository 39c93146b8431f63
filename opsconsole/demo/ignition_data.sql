-- Invented rows for ignition_schema.sql. uid(WORD, N) is always the same UUID for the same arguments, moment(N) a time
-- in the year before November 2026 that depends on N alone, pick(N, 'a,b,c') one of the words; series holds 1 to 4000.
-- What a check is to find stands at the end.
INSERT INTO d1_migrations VALUES
    (1, '0001_init.sql', moment(90)), (2, '0002_quests.sql', moment(70)), (3, '0003_journal.sql', moment(40)),
    (4, '0004_shop.sql', moment(11));
INSERT INTO _cf_KV VALUES ('schema_version', X'04');

INSERT INTO members
SELECT uid('member', n), lower(f || '.' || l || n) || '@example.test', f || ' ' || l,
       CASE WHEN n = 1 THEN 'admin' WHEN n % 30 = 0 THEN 'coach' ELSE 'member' END, n % 11 <> 0,
       CASE WHEN n % 4 = 0 THEN 'https://img.example.test/' || n || '.png' END, moment(n), moment(n)
FROM (SELECT n, pick(n, 'Amina,Bjorn,Celia,Dario,Edith,Fenna,Goran,Helga,Ilyas,Judit,Kofi,Lena') AS f,
             pick(n / 12 + n, 'Aalto,Brandt,Cruz,Dupont,Egger,Ferrari,Gomez,Horvat,Ito,Janssens,Klein,Lind') AS l
      FROM series WHERE n <= 240);
INSERT INTO logins SELECT uid('login', n), uid('member', n), 'oidc', 'sub-' || n, uid('access', n), 1800000000 + n
    FROM series WHERE n <= 240;
INSERT INTO web_sessions SELECT uid('session', n), uid('member', 1 + n * 2 % 240), moment(n) FROM series WHERE n <= 120;
INSERT INTO preferences SELECT uid('member', n), json_object('theme', pick(n, 'light,dark'), 'sound', n % 3) FROM series
    WHERE n <= 240;

INSERT INTO skills SELECT uid('skill', n), pick(n, 'knowledge,courage,craft,kindness,charm,focus'),
    pick(n, 'Knowledge,Courage,Craft,Kindness,Charm,Focus'), printf('#8b5c%02x', n), n FROM series WHERE n <= 6;
INSERT INTO member_skills SELECT uid('member skill', n), uid('member', 1 + n / 4), pick(n, 'knowledge,courage,craft,kindness'),
    n * 7 % 40 FROM series WHERE n < 960;
INSERT INTO badges SELECT uid('badge', n), 'badge-' || n, 'Badge ' || n, json_object('after', n * 5), n > 16 FROM series
    WHERE n <= 20;
INSERT INTO member_badges SELECT uid('member badge', n), uid('member', 1 + n % 240), 'badge-' || (1 + n % 19), moment(n)
    FROM series WHERE n <= 700;
INSERT INTO quests SELECT uid('quest', n), 'Quest ' || n || ': ' || pick(n, 'Early bird,Long run,Clean desk,Kind word'),
    pick(n, 'easy,medium,hard'), 5 + n, n % 9 <> 0, CASE WHEN n % 5 = 0 THEN uid('quest', n - 1) END FROM series WHERE n <= 40;
INSERT INTO quest_progress SELECT uid('quest progress', n), uid('quest', 1 + n % 40), uid('member', 1 + n % 237), n * 13 % 101,
    CASE WHEN n % 3 = 0 THEN moment(n) END FROM series WHERE n <= 1400;

INSERT INTO habits SELECT uid('habit', n), uid('member', 1 + n * 7 % 240),
    pick(n, 'Stretch for ten minutes,Read a chapter,No phone after ten,Practise scales,Walk at lunch'),
    pick(n, 'daily,daily,weekly'), n % 6 <> 0, moment(n) FROM series WHERE n <= 700;
INSERT INTO habit_logs SELECT uid('habit log', n), uid('habit', 1 + n * 11 % 700), moment(n),
    CASE WHEN n % 17 = 0 THEN 'a little late' END FROM series;
INSERT INTO goals SELECT uid('goal', n), uid('member', 1 + n * 5 % 240), 'Goal ' || n,
    CASE n % 3 WHEN 0 THEN '[]' ELSE json_array('first step', 'step ' || n % 9) END, n * 3 % 101, substr(moment(n), 1, 10)
    FROM series WHERE n <= 500;
INSERT INTO focus_sessions SELECT uid('focus', n), uid('member', 1 + n * 3 % 240), 25 * (1 + n % 4),
    pick(n, 'completed,completed,abandoned'), moment(n) FROM series WHERE n <= 2000;
INSERT INTO exercises SELECT uid('exercise', n), pick(n, 'Squat,Row,Press,Lunge,Plank'), 'strength', json_array('legs', 'back')
    FROM series WHERE n <= 5;
INSERT INTO workouts SELECT uid('workout', n), uid('member', 1 + n * 3 % 240), 'Session ' || n, moment(n) FROM series
    WHERE n <= 400;
INSERT INTO workout_sets SELECT uid('set', n), uid('workout', 1 + n % 400), uid('exercise', 1 + n % 5), 1 + n / 400, 5 + n % 10,
    20.5 + n % 60 FROM series WHERE n <= 1600;
INSERT INTO books SELECT uid('book', n), uid('member', 1 + n * 7 % 240), 'Book ' || n, 120 + n, n % 120 FROM series
    WHERE n <= 300;
INSERT INTO journal_entries SELECT uid('journal', n), uid('member', 1 + n * 7 % 240), substr(moment(n), 1, 10),
    pick(n, 'calm,tired,proud,curious,restless'),
    pick(n, 'Slept well and started early.,The long run was easier than last week.,Finished the draft at last.') || ' ' ||
    pick(n / 3, 'Tried the new recipe.,Called home.,The evening was mine.,Rain all day.'), '["day"]' FROM series WHERE n <= 1200;

INSERT INTO rewards SELECT uid('reward', n), pick(n, 'Cinema,New shoes,Lazy Sunday'), 150 * n FROM series WHERE n <= 3;
INSERT INTO purchases SELECT uid('purchase', n), uid('member', 1 + n * 11 % 240), uid('reward', 1 + n % 3), moment(n)
    FROM series WHERE n <= 600;
INSERT INTO points_ledger SELECT uid('points', n), uid('member', 1 + n * 7 % 240), n * 31 % 140 - 50,
    pick(n, 'habit kept,quest done,reward bought'), 'points:' || n, moment(n) FROM series;
INSERT INTO activity_events SELECT uid('event', n), uid('member', 1 + n * 13 % 240), pick(n, 'login,habit,quest'),
    json_object('n', n, 'from', 'edge', 'ok', n % 2), moment(n) FROM series;
INSERT INTO notifications SELECT uid('notice', n), uid('member', 1 + n * 3 % 240), 'Your streak is alive', n % 4 <> 0, moment(n)
    FROM series WHERE n <= 1500;

-- Faults as applications make them, for the first check to find: once upon a time foreign keys were off while members were
-- deleted, so that rewards were bought, and notices sent, by and to members that nobody can look up.
PRAGMA foreign_keys = OFF;
INSERT INTO purchases SELECT uid('lost purchase', n), uid('deleted member', n), uid('reward', 1 + n % 3), moment(n) FROM series
    WHERE n <= 6;
INSERT INTO notifications SELECT uid('lost notice', n), uid('deleted member', 1 + n % 6), 'Your streak is alive', 0, moment(n)
    FROM series WHERE n <= 17;
