"""Settings, read from the environment and from `.env` beside manage.py. docs/operators-guide.md lists them all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from opsconsole import loading
from opsconsole.environment import Environment
from opsconsole.secrets import home_secrets
from opsconsole.theme import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
env.read_env(BASE_DIR / ".env")

# -- where things live ------------------------------------------------------------------------------------------
OPSCONSOLE_HOME = Path(env.str("OPSCONSOLE_HOME", "") or BASE_DIR / "var").absolute()  # an empty one is none
OPSCONSOLE_HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
OPSCONSOLE_ROOTS = [Path(p) for p in env.str("OPSCONSOLE_ROOTS", str(OPSCONSOLE_HOME / "files")).split(":") if p]
OPSCONSOLE_ROOT_GROUPS = env.dict("OPSCONSOLE_ROOT_GROUPS", default={})  # below the roots: {folder: owner group}
OPSCONSOLE_STORE = Path(env.str("OPSCONSOLE_STORE", str(OPSCONSOLE_HOME / "store")))

STORE_RESERVE_BYTES = env.int("STORE_RESERVE_MIB", 1024) << 20  # what a backup must leave free on the store's disk
STORE_PRIVATE_NETWORKS = tuple(env.list("STORE_PRIVATE_NETWORKS", default=[]))  # not public, and stores may be there

# -- production or not ------------------------------------------------------------------------------------------
OPSCONSOLE_ENV = env.one_of("OPSCONSOLE_ENV", "local", "production")
PRODUCTION = OPSCONSOLE_ENV == "production"
DEMO = env.bool("OPSCONSOLE_DEMO", not PRODUCTION)  # loaded by `up`
DEBUG = env.bool("DEBUG", False)
SECRET_KEY_IN_FILE = not env.str("SECRET_KEY", "")  # `manage.py keys` rotates what is in a file
SECRET_KEYS = home_secrets(OPSCONSOLE_HOME, "secret-key") if SECRET_KEY_IN_FILE else [env.str("SECRET_KEY")]
SECRET_KEY = SECRET_KEYS[0]
SECRET_KEY_FALLBACKS = [*SECRET_KEYS[1:], *env.list("SECRET_KEY_FALLBACKS", default=[])]
FIELD_KEYS_IN_FILE = not env.list("FIELD_KEYS", default=[])
FIELD_KEYS = env.list("FIELD_KEYS", default=[]) or home_secrets(OPSCONSOLE_HOME, "field-key", fernet=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)

# -- the console's own database ---------------------------------------------------------------------------------
SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA recursive_triggers=ON;"
    ),
}
PATIENCE = {  # with a PostgreSQL server that has vanished from the network without a word
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip
DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{OPSCONSOLE_HOME / 'console.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASES["default"]["OPTIONS"] = PATIENCE | DATABASES["default"].get("OPTIONS", {})
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if "migrate" in sys.argv and env.str("MIGRATE_DATABASE_URL", ""):
    DATABASES["default"] = env.database("MIGRATE_DATABASE_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- worker and operations (seconds) ----------------------------------------------------------------------------
BROKER_URL = env.str("BROKER_URL", "")
LEASE_SECONDS = env.float("LEASE_SECONDS", 30)
BEAT_SECONDS = env.float("BEAT_SECONDS", 5)
SELF_FENCE_SECONDS = env.float("SELF_FENCE_SECONDS", 18)
REAPER_SECONDS = env.float("REAPER_SECONDS", 10)
REAPER_GRACE_SECONDS = env.float("REAPER_GRACE_SECONDS", 15)
REPUBLISH_SECONDS = env.float("REPUBLISH_SECONDS", 30)
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", 2)
WORKER_QUEUES = env.list("WORKER_QUEUES", default=["default"])
OLD_DATABASE_HOURS = env.int("OLD_DATABASE_HOURS", 24)  # how long a swapped-out database is kept
FIX_UNDO_HOURS = env.int("FIX_UNDO_HOURS", 168)  # how long what a fix changed is kept in the database, encrypted
UPLOAD_MAX_BYTES = env.int("OPSCONSOLE_UPLOAD_MAX_BYTES", 4 << 30)  # of all files of one upload together
UPLOAD_DAYS = env.int("OPSCONSOLE_UPLOAD_DAYS", 7)  # how long an upload is kept
FOLDER_DAYS = env.int("OPSCONSOLE_FOLDER_DAYS", 90)  # how long a migration folder is kept after it was brought
RETENTION_TRASH_DAYS = max(1, env.int("RETENTION_TRASH_DAYS", 7))  # how long a backup that goes can be brought back
LOSS_EXACT_ROWS = env.int("LOSS_EXACT_ROWS", 200_000)  # a loss preview compares tables up to so many rows in full,
LOSS_SAMPLE_ROWS = env.int("LOSS_SAMPLE_ROWS", 600)  # larger ones by so many rows,
LOSS_SECONDS = env.float("LOSS_SECONDS", 15)  # for so long in all, while a person waits for the plan;
LOSS_UNPACK_BYTES = env.int("LOSS_UNPACK_BYTES", 512 << 20)  # a backup of SQLite is unpacked for it up to this size
SCHEDULES = env.bool("OPSCONSOLE_SCHEDULES", True)  # off: this console starts nothing by itself
HEALTH_SECONDS = max(0.0, env.float("HEALTH_SECONDS", 60))  # how often each database is looked at; 0: never by itself
ALLOW_FAILPOINTS = env.bool("OPSCONSOLE_ALLOW_FAILPOINTS", False)

# -- people and approvals ---------------------------------------------------------------------------------------
APPROVAL_HOURS = env.float("APPROVAL_HOURS", 4)
STANDING_APPROVAL_DAYS = max(0, min(366, env.int("STANDING_APPROVAL_DAYS", 90)))  # of a schedule's runs; 0: none
REAUTH_MINUTES = env.float("REAUTH_MINUTES", 10)
NEW_APPROVER_HOURS = env.float("NEW_APPROVER_HOURS", 24)
WEAKENED_POLICY_HOURS = env.float("WEAKENED_POLICY_HOURS", 24)
SESSION_IDLE_MINUTES = env.float("SESSION_IDLE_MINUTES", 30)
SESSION_ABSOLUTE_HOURS = env.float("SESSION_ABSOLUTE_HOURS", 12)

# -- the audit history ------------------------------------------------------------------------------------------
AUDIT_CHECKPOINT_FILE = env.str("AUDIT_CHECKPOINT_FILE", "")  # "": audit-checkpoints.log in OPSCONSOLE_HOME

# -- Django -----------------------------------------------------------------------------------------------------
THEME_AND_ADMIN = [
    "unfold.apps.BasicAppConfig",  # its default one would replace our admin site
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "opsconsole.admin_app.ConsoleAdminConfig",
]
FOR_PAGES = ["django.contrib.messages", "django.contrib.staticfiles", "import_export", "axes"]
INSTALLED_APPS = [
    *(THEME_AND_ADMIN if loading.pages else []),
    "opsconsole",  # before auth, whose commands changepassword and createsuperuser it replaces
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    *(FOR_PAGES if loading.pages else []),
    "lifecycle",
    "integrity",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "opsconsole.middleware.ContentSecurityPolicy",
    "lifecycle.uploads.streaming.Uploads",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "opsconsole.middleware.SessionRules",
    "opsconsole.middleware.AuditContext",
    "opsconsole.middleware.LegibleOrder",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "opsconsole.urls"
WSGI_APPLICATION = "opsconsole.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "opsconsole.Account"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "opsconsole.permissions.RoleBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", 5)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HTTP_RESPONSE_CODE = 429
AXES_IPWARE_PROXY_COUNT = TRUSTED_PROXIES or None
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_CALLABLE = "opsconsole.pages.account.locked_out"
CSRF_FAILURE_VIEW = "opsconsole.pages.errors.csrf_failure"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", PRODUCTION)
SESSION_COOKIE_AGE = int(SESSION_ABSOLUTE_HOURS * 3600)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", False)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 0)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_NAME = "opsconsole_session"

IMPORT_EXPORT_IMPORT_PERMISSION_CODE = "import"
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "export"
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["opsconsole.dates"]
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = OPSCONSOLE_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 1000  # uploads have a limit of their own, which says what to do
