"""Settings from the environment and `.env`, checked at start.

A start with a weak, known or missing secret, or with values that contradict one another, is refused with one
message that lists every finding and its remedy. Nothing here is read at import: a door builds `Settings`.
"""

import os
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from app import (
    limit_settings,
    mail_settings,
    network_settings,
    password_settings,
    second_factor_settings,
    secret_settings,
    sign_up_settings,
)
from app.plausibility import base_url, comma_separated, database_url_problem, host_of
from app.provider_settings import LOOPBACK_HOSTS, GoogleIssuer, GoogleSecret, NeedsGoogle, OidcProviders
from app.secret_files import SecretFileSource, unreadable_files

CommaSeparated = Annotated[list[str], NoDecode]
"""A list that is written `a,b,c` in the environment."""

API_PREFIX = "/api/v1"
"""Where every route of the API lives. Said here and nowhere else."""
LOCAL_HOSTS = LOOPBACK_HOSTS


class ConfigurationError(Exception):
    """The settings cannot be used. The text lists every finding with its remedy, one a line, and no value."""

    def __init__(self, findings: list[str]) -> None:
        self.findings = findings
        lines = "\n".join(f"  - {finding}" for finding in findings)
        super().__init__(f"Ostiary cannot start: {len(findings)} finding(s) in the settings.\n{lines}")


class Settings(BaseSettings):
    """Every setting, with the name it has in the environment. `docs/settings.md` is generated from this class."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    ENVIRONMENT: Literal["development", "production"] = Field(
        "production",
        description="`development` relaxes what only a public installation needs. When in doubt: production.",
    )
    APP_NAME: str = Field("Ostiary", min_length=1, max_length=60, description="Shown in the API document and on pages.")
    HOST: str = Field("127.0.0.1", description="Address the server listens on.")
    PORT: int = Field(8000, ge=1, le=65535, description="Port the server listens on.")
    WORKERS: int = Field(
        0, ge=0, le=256, description="Server processes. 0: one in development, one per processor core in production."
    )
    JOBS: Literal["inside", "apart"] = Field(
        "inside",
        description="`inside`: the server's own jobs run in each worker. `apart`: they run where `ostiary work` does, once or "
        "more, and without it no mail leaves and nothing is purged; signing keys are each server's own work all the same.",
    )
    PUBLIC_URL: str = Field(
        "",
        description="Where users reach this server, without a path; it is the issuer of tokens. "
        "Development: `http://127.0.0.1:PORT` when empty. Production: required, https.",
    )
    DATABASE_URL: SecretStr = Field(
        SecretStr("sqlite:///ostiary.db"),
        description="`sqlite:///file.db` or `postgresql://user:password@host/name`; the driver is chosen here.",
    )
    DATABASE_POOL_SIZE: int = Field(
        10,
        ge=1,
        le=200,
        description="Connections kept open by each worker, beside three of PostgreSQL that only ask who is calling.",
    )
    DATABASE_TIMEOUT_SECONDS: float = Field(
        5.0, ge=0.1, le=60, description="How long one statement, or the wait for a connection, may take."
    )
    SECRET_KEY: secret_settings.ServerSecret
    SECRET_KEY_PREVIOUS: secret_settings.FormerSecrets = SecretStr("")
    ALGORITHM: Literal["ES256", "EdDSA", "RS256", "HS256"] = Field(
        "ES256",
        description="How access tokens are signed. With `HS256` only this service can check them; with the others anybody "
        "can, by `/.well-known/jwks.json`.",
    )
    SIGNING_KEY_ROTATION_DAYS: int = Field(
        90, ge=0, le=3650, description="A key pair signs for so long, then the next one does. 0: until you rotate it."
    )
    SIGNING_KEY_LEAD_MINUTES: int = Field(
        60,
        ge=0,
        le=10080,
        description="How long a key pair is published before it signs. Longer than verifiers keep our keys: 5 minutes.",
    )
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(30, ge=1, le=1440, description="Lifetime of an access token.")
    REFRESH_TOKEN_EXPIRE_DAYS: int = Field(
        7, ge=1, le=365, description="A session that is not refreshed for so long ends."
    )
    SESSION_MAX_DAYS: int = Field(30, ge=1, le=3650, description="A session ends after so long whatever happens.")
    SESSION_HISTORY_DAYS: int = Field(
        90, ge=1, le=3650, description="How long a session that is over is kept, with its story, and then deleted."
    )
    AUDIT_RETENTION_DAYS: int = Field(
        365, ge=1, le=36500, description="How long the audit log keeps an event, and then deletes it."
    )
    REFRESH_GRACE_SECONDS: int = Field(
        30,
        ge=0,
        le=300,
        description="How long a used refresh token still gets the same child: two tabs, a lost answer.",
    )
    PASSWORD_MIN_LENGTH: password_settings.PasswordMinLength = 12
    ARGON2_MEMORY_KIB: password_settings.Argon2Memory = 19456
    ARGON2_ITERATIONS: password_settings.Argon2Iterations = 2
    HASHING_THREADS: password_settings.HashingThreads = 1
    HASHING_QUEUE: password_settings.HashingQueue = 200
    HASHING_WAIT_SECONDS: password_settings.HashingWait = 5.0
    LIMITS_ENABLED: limit_settings.LimitsEnabled = True
    LIMITS_STORAGE: limit_settings.LimitsStorage = SecretStr("auto")
    GOOGLE_CLIENT_ID: str = Field(
        "", description="From the Google console. Empty in development: a provider of our own plays Google, offline."
    )
    GOOGLE_CLIENT_SECRET: GoogleSecret = Field(SecretStr(""), description="From the same page.")
    GOOGLE_OTHER_CLIENT_IDS: Annotated[CommaSeparated, NeedsGoogle] = Field(
        default=[], description="Client ids of your own apps whose ID tokens are taken as well, separated by commas."
    )
    GOOGLE_HOSTED_DOMAIN: Annotated[str, NeedsGoogle] = Field(
        "", description="Let in members of this Google Workspace domain only."
    )
    GOOGLE_KEEP_TOKENS: Annotated[bool, NeedsGoogle] = Field(
        False, description="Keep Google's own tokens, encrypted, for routes of yours that call Google."
    )
    GOOGLE_ISSUER: GoogleIssuer = Field("", description="Who plays Google in your own tests. Refused in production.")
    OIDC_PROVIDERS: OidcProviders = Field(
        default=[],
        description='Further OpenID providers, as JSON: `[{"name": "acme", "issuer": "https://id.acme.example", '
        '"client_id": "…", "client_secret": "…"}]`, each perhaps with a list of `scopes`, and of the `domains` whose '
        "mailboxes it hands out: for these addresses, and no other, its word is proof.",
    )
    SMTP_HOST: mail_settings.SmtpHost = ""
    SMTP_PORT: mail_settings.SmtpPort = 0
    SMTP_SECURITY: mail_settings.SmtpSecurity = "starttls"
    SMTP_USERNAME: mail_settings.SmtpUsername = ""
    SMTP_PASSWORD: mail_settings.SmtpPassword = SecretStr("")
    SMTP_TIMEOUT_SECONDS: mail_settings.SmtpTimeout = 10.0
    MAIL_FROM: mail_settings.MailFrom = ""
    MAIL_FROM_NAME: mail_settings.MailFromName = ""
    MAIL_REPLY_TO: mail_settings.MailReplyTo = ""
    MAIL_TEMPLATES: mail_settings.MailTemplates = ""
    MAIL_PER_ADDRESS_PER_HOUR: mail_settings.MailPerAddressPerHour = 10
    DEFAULT_LOCALE: mail_settings.DefaultLocale = "en"
    MAIL_SIGN_IN: mail_settings.MailSignIn = "on"
    EMAIL_VERIFICATION: sign_up_settings.EmailVerification = ""
    SIGN_UP: sign_up_settings.SignUp = "open"
    SIGN_UP_DOMAINS: sign_up_settings.SignUpDomains = []
    SECOND_FACTOR: second_factor_settings.SecondFactor = "optional"
    SECOND_FACTOR_ROLES: second_factor_settings.SecondFactorRoles = []
    REMEMBER_DEVICE_DAYS: second_factor_settings.RememberDeviceDays = 30
    FRONTEND_URL: str = Field(
        "",
        description="Your front end; its origin may call this API. Development: `http://localhost:3000` when empty.",
    )
    ALLOWED_ORIGINS: CommaSeparated = Field(
        default=[], description="Further origins that may call this API from a browser, separated by commas."
    )
    PASSKEY_RP_ID: second_factor_settings.PasskeyRpId = ""
    PASSKEY_ORIGINS: second_factor_settings.PasskeyOrigins = []
    ALLOWED_HOSTS: network_settings.AllowedHosts = []
    TRUSTED_PROXIES: network_settings.TrustedProxies = []
    FORWARDED_HEADER: network_settings.ForwardedHeader = "X-Forwarded-For"
    HSTS_INCLUDE_SUBDOMAINS: bool = Field(
        True, description="Whether browsers must use https for every sub-domain of PUBLIC_URL's host as well."
    )
    MAX_BODY_BYTES: int = Field(
        65536, ge=1024, le=1 << 30, description="Largest request body; a route may set its own."
    )
    DOCS_ENABLED: bool | None = Field(
        None, description="Swagger UI and the OpenAPI document. When not set: on in development, off in production."
    )
    EXTENSIONS: CommaSeparated = Field(
        default=[], description="Your own modules with a `router`, separated by commas: `shop.api,blog.api`."
    )
    LOG_LEVEL: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )
    LOG_FORMAT: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: readable in development, one JSON object a line in production."
    )
    ACCESS_LOG: bool = Field(True, description="One log line for each request.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say who wins: arguments, then the environment, then `NAME_FILE`, then `.env`."""
        return init_settings, env_settings, SecretFileSource(settings_cls), dotenv_settings

    @field_validator(
        "ALLOWED_ORIGINS",
        "ALLOWED_HOSTS",
        "TRUSTED_PROXIES",
        "EXTENSIONS",
        "GOOGLE_OTHER_CLIENT_IDS",
        "SIGN_UP_DOMAINS",
        "SECOND_FACTOR_ROLES",
        "PASSKEY_ORIGINS",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [part.strip().rstrip("/") for part in value.strip("[] ").replace('"', "").split(",") if part.strip()]

    @field_validator("PUBLIC_URL", "FRONTEND_URL")
    @classmethod
    def _check_url(cls, value: str, info: ValidationInfo) -> str:
        production = info.data.get("ENVIRONMENT", "production") == "production"
        own = info.field_name == "PUBLIC_URL"
        if not value and not production:
            return f"http://127.0.0.1:{info.data.get('PORT', 8000)}" if own else "http://localhost:3000"
        if not value and own:
            raise ValueError(
                "is missing. Set it to where users reach this server, such as https://accounts.example.com"
            )
        url = base_url(value) if value else ""
        if url is None:
            raise ValueError("is not scheme, host and port alone. Write it like https://accounts.example.com")
        if production and url and not (url.startswith("https://") or (not own and _is_local(url))):
            raise ValueError("is not https. Tokens, cookies and passwords need it in production")
        return url

    @field_validator("DATABASE_URL")
    @classmethod
    def _check_database_url(cls, value: SecretStr) -> SecretStr:
        problem = database_url_problem(value.get_secret_value())
        if problem:
            raise ValueError(
                f"{problem}. Use sqlite:///file.db or postgresql://user:password@host/name?sslmode=require"
            )
        return value

    @field_validator("SESSION_MAX_DAYS")
    @classmethod
    def _check_session_days(cls, value: int, info: ValidationInfo) -> int:
        idle = info.data.get("REFRESH_TOKEN_EXPIRE_DAYS")
        if idle is not None and idle > value:
            raise ValueError(f"is shorter than REFRESH_TOKEN_EXPIRE_DAYS ({idle}). Raise this one or lower that one")
        return value

    @field_validator("ALLOWED_ORIGINS")
    @classmethod
    def _check_origins(cls, value: list[str], info: ValidationInfo) -> list[str]:
        production = info.data.get("ENVIRONMENT", "production") == "production"
        if "*" in value and production:
            raise ValueError("is '*'. List the origins of your front ends, separated by commas")
        origins = [origin if origin == "*" else base_url(origin) for origin in value]
        if None in origins:
            raise ValueError("holds an entry that is no origin. Write scheme, host and port: https://app.example.com")
        found = [origin for origin in origins if origin]
        if production and not all(origin.startswith("https://") or _is_local(origin) for origin in found):
            raise ValueError("holds an entry that is not https. Its pages may call this API with cookies")
        return found

    @property
    def is_production(self) -> bool:
        """Whether everything that only development may do is switched off."""
        return self.ENVIRONMENT == "production"

    @property
    def worker_count(self) -> int:
        """How many server processes to start."""
        return self.WORKERS or ((os.cpu_count() or 1) if self.is_production else 1)

    @property
    def docs_enabled(self) -> bool:
        """Whether Swagger UI and the OpenAPI document are served."""
        return not self.is_production if self.DOCS_ENABLED is None else self.DOCS_ENABLED

    @property
    def secrets(self) -> list[str]:
        """Every server secret: first the one that counts now, then the former ones."""
        present = self.SECRET_KEY.get_secret_value()
        former = comma_separated(self.SECRET_KEY_PREVIOUS.get_secret_value())
        return [present, *(secret for secret in former if secret != present)]

    @property
    def signing_key_lifetime(self) -> timedelta | None:
        """How long a key pair signs, or None: until somebody rotates it."""
        return timedelta(days=self.SIGNING_KEY_ROTATION_DAYS) if self.SIGNING_KEY_ROTATION_DAYS else None

    @property
    def signing_key_lead(self) -> timedelta:
        """How long a key pair is published before it signs."""
        return timedelta(minutes=self.SIGNING_KEY_LEAD_MINUTES)

    @property
    def access_token_ttl(self) -> timedelta:
        """Lifetime of an access token."""
        return timedelta(minutes=self.ACCESS_TOKEN_EXPIRE_MINUTES)

    @property
    def session_idle_ttl(self) -> timedelta:
        """How long a session lives without a refresh."""
        return timedelta(days=self.REFRESH_TOKEN_EXPIRE_DAYS)

    @property
    def session_absolute_ttl(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(days=self.SESSION_MAX_DAYS)

    @property
    def session_history(self) -> timedelta:
        """How long a session that is over is kept."""
        return timedelta(days=self.SESSION_HISTORY_DAYS)

    @property
    def audit_retention(self) -> timedelta:
        """How long the audit log keeps an event."""
        return timedelta(days=self.AUDIT_RETENTION_DAYS)

    @property
    def refresh_grace_ttl(self) -> timedelta:
        """How long a used refresh token still gets the same child."""
        return timedelta(seconds=self.REFRESH_GRACE_SECONDS)

    @property
    def has_front_end(self) -> bool:
        """Whether somebody has said where the front end is. What development fills in is a guess."""
        return bool(self.FRONTEND_URL) and "FRONTEND_URL" in self.model_fields_set

    @property
    def cors_origins(self) -> list[str]:
        """Every origin that may call this API from a browser."""
        return sorted({*([self.FRONTEND_URL] if self.FRONTEND_URL else []), *self.ALLOWED_ORIGINS})

    @property
    def served_hosts(self) -> list[str]:
        """Every Host name that is served."""
        local = () if self.is_production else LOCAL_HOSTS
        return sorted({host_of(self.PUBLIC_URL), *local, *(h.lower() for h in self.ALLOWED_HOSTS)})

    @classmethod
    def load(cls, **values: object) -> Self:
        """Read the settings.

        Raises `ConfigurationError` with every finding; its text repeats no value, so that no secret reaches a log.
        """
        unreadable = unreadable_files(cls.model_fields)
        try:
            settings = cls(**values)  # type: ignore[arg-type]  # pydantic checks what mypy cannot
        except ValidationError as error:
            details = [item for item in error.errors(include_input=False) if item["loc"][0] not in unreadable]
            raise ConfigurationError([*unreadable.values(), *map(_finding, details)]) from None
        if unreadable:
            raise ConfigurationError(list(unreadable.values()))
        return settings


def _is_local(url: str) -> bool:
    """Whether a URL never leaves the machine of whoever opens it: a developer's front end against a real server."""
    return host_of(url) in LOCAL_HOSTS


def _finding(details: Any) -> str:
    name = str(details["loc"][0]) if details["loc"] else "settings"
    description = Settings.model_fields[name].description or ""
    if details["type"] == "missing":
        hint = " Or let `ostiary init` write a .env with one into this folder." if name == "SECRET_KEY" else ""
        return f"{name}: is missing. {description}{hint}"
    if details["type"] == "value_error":
        return f"{name}: {details['ctx']['error']}."
    return f"{name}: {details['msg'][0].lower()}{details['msg'][1:]}. {description}".rstrip()
