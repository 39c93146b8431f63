-- The Solana starter kit, reduced to what its pack asks about; without keys, so that duplicates can be planted.
CREATE TABLE "User" (
    "privyDid" text NOT NULL, username text NOT NULL, "solanaWalletAddress" text, "embeddedWalletAddress" text,
    "referralCode" text NOT NULL UNIQUE, "totalPoints" bigint NOT NULL DEFAULT 0,
    "totalTradingVolume" double precision NOT NULL DEFAULT 0, "isOG" boolean NOT NULL DEFAULT false, "ogReason" text
);
CREATE TABLE "Follow" ("followerId" text, "followingId" text);
CREATE TABLE "Comment" (id text PRIMARY KEY);
CREATE TABLE "PointTransaction" (id text PRIMARY KEY);
CREATE TABLE "Achievement" (id text PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE "UserAchievement" (id text PRIMARY KEY);
CREATE TABLE "DailyPointsLog" (id text PRIMARY KEY, "userId" text NOT NULL);
-- Not there: "Like", and a unique index on username; "totalPoints" is bigger than expected.

INSERT INTO "User" VALUES
    ('did:1', 'ada', 'So1', NULL, 'r1', 0, 0, true, 'early'), ('did:2', 'ada', NULL, 'Em2', 'r2', 0, 0, true, NULL),
    ('did:3', '', NULL, NULL, 'r3', 0, 0, false, NULL), ('did:3', 'cleo', '', '', 'r4', 0, 0, true, ''),
    ('did:5', 'Ada', '', 'Em5', 'r5', 0, 0, false, NULL), ('did:6', 'dan', NULL, '', 'r6', 0, 0, false, 'left over');
INSERT INTO "Achievement" VALUES
    ('1', 'First Steps'), ('2', 'Social Butterfly'), ('3', 'Conversation Starter'), ('4', 'Trader'), ('5', 'Day Trader'),
    ('6', 'Loyal User'), ('7', 'Dedicated User'), ('8', 'whale'), ('9', 'Referral Champion');
INSERT INTO "DailyPointsLog" VALUES ('1', 'did:1'), ('2', 'did:9'), ('3', 'did:3'), ('4', 'did:8');
