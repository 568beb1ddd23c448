"""Every setting of the studio, each with one name in the environment."""

from pathlib import Path
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from studio.env import SERVER_SECRETS as SERVER_SECRETS
from studio.env import BadSetting, envbool, envfloat, envint, envkeys, envlist, envnetworks, envsecret, envstr

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(envstr("ZAFFRE_VAR") or BASE_DIR / "var")

DEBUG = envbool("DEBUG", False)
SECRET_KEY = envsecret("SECRET_KEY", VAR_DIR / "secret_key")
#: Keys that encrypt what people entrust to the studio (docs/decisions/secrets.md): of the environment, and of a file.
KEKS = envkeys("ZAFFRE_KEK_")
KEY_RING = envstr("ZAFFRE_KEY_RING") or str(VAR_DIR / "keyring.json")
ACTIVE_KEK = envstr("ZAFFRE_ACTIVE_KEK")
PORT = envint("PORT", 8000)
PUBLIC_URL = envstr("ZAFFRE_URL") or f"http://localhost:{PORT}"
#: A second origin for what nodes show of users' files; empty: the same origin, in frames that have none.
CONTENT_URL = envstr("ZAFFRE_CONTENT_URL").rstrip("/")
ALLOWED_HOSTS = envlist("ALLOWED_HOSTS", f"localhost,127.0.0.1,[::1],{urlsplit(PUBLIC_URL).hostname}")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# --- applications --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "channels",
    "django_cotton",
    "django_htmx",
    "django_vite",
    "studio.kernel",
    "workspace.accounts",
    "workspace",
    "workspace.audit",
    "workspace.datasets",
    "workspace.environments",
    "workspace.secrets",
    "workspace.quotas",
    "workspace.compute",
    "workspace.attached",
    "workspace.webhooks",
    "runs.snapshots",
    "runs",
    "runs.metrics",
    "runs.logs",
    "runs.artifacts",
    "runs.lineage",
    "runs.tables",
    "runs.reports",
    "runs.origins",
    "runs.bin",
    "runs.tensorboards",
    "registry",
    "registry.loggedmodels",
    "registry.endpoints",
    "studio.shell",
    "studio.console",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "studio.kernel.web.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studio.kernel.web.CompressedPages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "studio.kernel.web.ErrorPages",
]
ROOT_URLCONF = "studio.urls"
ASGI_APPLICATION = "studio.asgi.application"
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
                "django.template.context_processors.i18n",
                "studio.shell.context.frame",
            ],
            "builtins": ["django.templatetags.i18n", "studio.shell.templatetags.shell"],
        },
    }
]

# --- engines -------------------------------------------------------------------------------------


def _database(url: str) -> dict[str, object]:
    if not url:
        raise BadSetting(
            "DATABASE_URL is not set. `make up` and `make test` start an embedded PostgreSQL and set it; "
            "to use your own, give postgresql://user:password@host/name."
        )
    parts = conninfo_to_dict(url)
    known = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    options: dict[str, object] = {key: value for key, value in parts.items() if key not in known}
    # A statement that takes longer than this holds a connection that others wait for.
    options["options"] = "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
    # Django forbids prepared statements. With a number that no statement reaches, those that ask for it are prepared.
    options["prepare_threshold"] = 1_000_000_000
    options["pool"] = {"min_size": 1, "max_size": 12, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{django: str(parts.get(key) or "") for key, django in known.items()},
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database(envstr("DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: redis://… or unix:///path/to.sock
REDIS_URL = envstr("REDIS_URL") or f"unix://{VAR_DIR}/run/valkey.sock"
BLOB_DIR = VAR_DIR / "blobs"
#: What one version of a dataset may hold.
DATASET_MAX_FILES = envint("ZAFFRE_DATASET_FILES", 20_000)
DATASET_MAX_BYTES = envint("ZAFFRE_DATASET_BYTES", 100 * 1024**3)
#: How long a file stays that no row names any more.
BLOB_GRACE_SECONDS = envfloat("ZAFFRE_BLOB_GRACE", 24 * 3600)
#: Who names stored files: a list of studio.kernel.store.Names, complete for all rooms.
BLOB_NAMES = "studio.console.names.NAMES"
#: How long a deleted run stays in the recycle bin.
BIN_SECONDS = envfloat("ZAFFRE_RECYCLE_BIN", 7 * 24 * 3600)
#: How long a deleted secret can be restored.
SECRET_BIN_SECONDS = envfloat("ZAFFRE_SECRET_BIN", 7 * 24 * 3600)
#: What is kept of one attempt's log: its beginning, and its end.
LOG_HEAD_BYTES = envint("ZAFFRE_LOG_HEAD_BYTES", 256 * 1024**2)
LOG_TAIL_BYTES = envint("ZAFFRE_LOG_TAIL_BYTES", 32 * 1024**2)

#: Addresses (host:port) of private networks that webhooks may reach all the same.
OUTGOING_ALLOWED = [one.lower() for one in envlist("ZAFFRE_OUTGOING_ALLOWED", "")]

#: Networks besides the public ones where attached machines may be.
SSH_NETWORKS = envnetworks("ZAFFRE_SSH_NETWORKS", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7")
#: Where this host reaches its own web, for machines that reach the studio through a forwarded port.
SSH_FORWARD = envstr("ZAFFRE_SSH_FORWARD") or f"127.0.0.1:{PORT}"
#: A folder of wheels that are copied to attached machines, for those that reach no package index.
SSH_WHEELS = envstr("ZAFFRE_SSH_WHEELS")
#: Seconds between two looks at the agent of an attached machine.
SSH_LOOK_SECONDS = envfloat("ZAFFRE_SSH_LOOK", 10)

# --- people --------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["workspace.accounts.queries.People"]
SESSION_ENGINE = "studio.kernel.sessions"
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if PUBLIC_URL.startswith("https://") else 0
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "studio.shell.views.forged"

# --- doors ---------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["studio.kernel.api.TokenAuthentication", "studio.kernel.api.SessionActor"],
    "DEFAULT_PERMISSION_CLASSES": ["studio.kernel.api.SignedIn"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["studio.kernel.api.BoundedJSON"],
    "EXCEPTION_HANDLER": "studio.kernel.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
#: Which function turns the id and secret of a token into an actor, by the token's kind.
TOKEN_RESOLVERS = {
    "pat": "workspace.accounts.queries.actor_of_token",
    "node": "workspace.compute.queries.actor_of_token",
    "reg": "workspace.compute.queries.actor_of_enrolment",
    "run": "runs.queries.actor_of_token",
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- files of the pages ----------------------------------------------------------------------------
STATIC_URL = "/static/"
#: Where `bootstrap --collect` puts what browsers load; `make up` names a folder. Unset, they are served from
#: the source tree (tests, `make dev`): what an earlier start collected must not be what a later one shows.
STATIC_ROOT = Path(envstr("STATIC_ROOT")) if envstr("STATIC_ROOT") else None
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "staticfiles": {"BACKEND": "studio.shell.bundle.BundleStorage"},
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
}
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
if WHITENOISE_USE_FINDERS:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = DEBUG
#: Files with a hash in their name are kept by browsers for good: of Vite, and of the storage above.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/(dist/assets/|.+\.[0-9a-f]{12}\.)"
DJANGO_VITE = {
    "default": {
        "dev_mode": False,
        "manifest_path": BASE_DIR / "static" / "dist" / "manifest.json",
        "static_url_prefix": "dist",
    }
}

# --- language and time -----------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ja", "日本語")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "zaffre_language"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- clocks of runs and nodes, in seconds (docs/decisions/leases.md) --------------------------------
HEARTBEAT_SECONDS = envfloat("ZAFFRE_HEARTBEAT", 5)
UNREACHABLE_SECONDS = envfloat("ZAFFRE_UNREACHABLE", 20)
LEASE_SECONDS = envfloat("ZAFFRE_LEASE", 120)
PATIENCE_SECONDS = envfloat("ZAFFRE_PATIENCE", 3600)
SCAN_SECONDS = envfloat("ZAFFRE_SCAN", 2)
#: A node that the studio starts and that has not registered for so long is given up.
NODE_SECONDS = envfloat("ZAFFRE_NODE_SECONDS", 180)
#: Where nodes of the provider `kubernetes` are pods, and of which image; empty: there is no such provider.
KUBERNETES_NAMESPACE = envstr("ZAFFRE_KUBERNETES_NAMESPACE")
KUBERNETES_IMAGE = envstr("ZAFFRE_KUBERNETES_IMAGE")
GRACE_SECONDS = envfloat("ZAFFRE_GRACE", 10)
RECHECK_SECONDS = envfloat("ZAFFRE_RECHECK", 10)
#: A run that has found no room for so long is kept a node free.
HOLD_SECONDS = envfloat("ZAFFRE_HOLD", 120)

#: After so long without anybody who looks, a TensorBoard is stopped.
TENSORBOARD_IDLE_SECONDS = envfloat("ZAFFRE_TENSORBOARD_IDLE", 1200)

# --- logging -----------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"secrets": {"()": "studio.kernel.tokens.HideTokens"}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["secrets"]}},
    "root": {"handlers": ["stderr"], "level": envstr("LOG_LEVEL", "INFO")},
}
SILENCED_SYSTEM_CHECKS: list[str] = []
