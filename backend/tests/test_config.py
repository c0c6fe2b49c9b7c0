"""Which settings are accepted, which refuse a start, and what the refusal says."""

import os
import secrets
from datetime import timedelta

import pytest
from pydantic import ValidationError

from app.config import ConfigurationError, Settings
from app.plausibility import secret_problem
from tests.configuring import SECRET, is_accepted, load

PASSWORD = "hunter2-of-the-database"


def findings(**changes: object) -> list[str]:
    """What a start with these changes is refused for."""
    with pytest.raises(ConfigurationError) as refusal:
        load(**changes)
    return refusal.value.findings


REFUSALS = [
    ("ENVIRONMENT", "staging", "'development' or 'production'"),
    ("ENVIRONMENT", "", "'development' or 'production'"),
    ("APP_NAME", "", "at least 1 character"),
    ("APP_NAME", "x" * 61, "at most 60 characters"),
    ("PORT", 0, "greater than or equal to 1"),
    ("PORT", 65536, "less than or equal to 65535"),
    ("PORT", "http", "valid integer"),
    ("WORKERS", -1, "greater than or equal to 0"),
    ("WORKERS", 257, "less than or equal to 256"),
    ("PUBLIC_URL", "", "https://accounts.example.com"),
    ("PUBLIC_URL", "http://accounts.example.com", "not https"),
    ("PUBLIC_URL", "https://accounts.example.com/auth", "scheme, host and port"),
    ("PUBLIC_URL", "https://accounts.example.com?x=1", "scheme, host and port"),
    ("PUBLIC_URL", "https://accounts.example.com#x", "scheme, host and port"),
    ("PUBLIC_URL", "accounts.example.com", "scheme, host and port"),
    ("PUBLIC_URL", "ftp://accounts.example.com", "scheme, host and port"),
    ("PUBLIC_URL", "https://", "scheme, host and port"),
    ("PUBLIC_URL", "https://user:pw@accounts.example.com", "scheme, host and port"),
    ("PUBLIC_URL", "https://accounts.example.com:port", "scheme, host and port"),
    ("PUBLIC_URL", "https://accounts.example.com:99999", "scheme, host and port"),
    ("PUBLIC_URL", "https://[::1", "scheme, host and port"),
    ("FRONTEND_URL", "app.example.com", "scheme, host and port"),
    ("FRONTEND_URL", "https://app.example.com/shop", "scheme, host and port"),
    ("DATABASE_URL", "mysql://user:pw@host/name", "Use sqlite:///file.db or postgresql://"),
    ("DATABASE_URL", "", "Use sqlite:///file.db or postgresql://"),
    ("DATABASE_URL", "database.db", "Use sqlite:///file.db or postgresql://"),
    ("DATABASE_POOL_SIZE", 0, "greater than or equal to 1"),
    ("DATABASE_TIMEOUT_SECONDS", 0, "greater than or equal to 0.1"),
    ("DATABASE_TIMEOUT_SECONDS", "inf", "less than or equal to 60"),
    ("DATABASE_TIMEOUT_SECONDS", "nan", "than or equal to"),
    ("SECRET_KEY", "", "openssl rand -base64 48"),
    ("SECRET_KEY", "short", "openssl rand -base64 48"),
    ("ALGORITHM", "none", "'HS256'"),
    ("ALGORITHM", "RS512", "'HS256'"),
    ("ALGORITHM", "", "'HS256'"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", 0, "greater than or equal to 1"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", -30, "greater than or equal to 1"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", 10**9, "less than or equal to 1440"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", "9" * 5000, "ACCESS_TOKEN_EXPIRE_MINUTES"),
    ("REFRESH_TOKEN_EXPIRE_DAYS", 0, "greater than or equal to 1"),
    ("REFRESH_TOKEN_EXPIRE_DAYS", -7, "greater than or equal to 1"),
    ("SESSION_MAX_DAYS", 0, "greater than or equal to 1"),
    ("SESSION_MAX_DAYS", 3651, "less than or equal to 3650"),
    ("SESSION_MAX_DAYS", 6, "Raise this one or lower that one"),
    ("REFRESH_GRACE_SECONDS", -1, "greater than or equal to 0"),
    ("REFRESH_GRACE_SECONDS", 301, "less than or equal to 300"),
    ("PASSWORD_MIN_LENGTH", 7, "greater than or equal to 8"),
    ("PASSWORD_MIN_LENGTH", 65, "less than or equal to 64"),
    ("ARGON2_MEMORY_KIB", 7167, "greater than or equal to 7168"),
    ("ARGON2_ITERATIONS", 0, "greater than or equal to 1"),
    ("ARGON2_ITERATIONS", 1, "Use 19456 KiB with 2, or 47104 KiB with 1"),
    ("HASHING_THREADS", 0, "greater than or equal to 1"),
    ("HASHING_QUEUE", -1, "greater than or equal to 0"),
    ("ALLOWED_ORIGINS", "*", "List the origins of your front ends"),
    ("ALLOWED_ORIGINS", "https://app.example.com, *", "List the origins of your front ends"),
    ("ALLOWED_ORIGINS", "app.example.com", "scheme, host and port"),
    ("ALLOWED_ORIGINS", "null", "scheme, host and port"),
    ("ALLOWED_ORIGINS", "file://", "scheme, host and port"),
    ("ALLOWED_ORIGINS", "https://app.example.com/shop", "scheme, host and port"),
    ("ALLOWED_HOSTS", "*", "List the host names"),
    ("ALLOWED_HOSTS", "https://accounts.example.com", "Write host names only"),
    ("ALLOWED_HOSTS", "accounts.example.com/path", "Write host names only"),
    ("MAX_BODY_BYTES", 1023, "greater than or equal to 1024"),
    ("DOCS_ENABLED", "perhaps", "valid boolean"),
    ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("LOG_FORMAT", "xml", "'auto', 'json' or 'console'"),
    ("ACCESS_LOG", "x", "valid boolean"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), REFUSALS, ids=lambda part: str(part)[:40])
def test_a_start_is_refused_with_the_name_and_the_remedy(name: str, value: object, remedy: str) -> None:
    """S45, S47, S60, S81, S85, JW-03, PW-09, 3.6-12: one finding for one mistake."""
    (finding,) = findings(**{name: value})
    assert finding.startswith(f"{name}: ")
    assert remedy in finding


def test_a_start_with_nothing_set_says_what_is_needed() -> None:
    """S72, S93: nothing that guards anything has a default."""
    with pytest.raises(ConfigurationError) as refusal:
        Settings.load()
    assert [finding.partition(":")[0] for finding in refusal.value.findings] == [
        "PUBLIC_URL",
        "SECRET_KEY",
        "EMAIL_VERIFICATION",
    ]
    assert "openssl rand -base64 48" in str(refusal.value)


def test_every_finding_stands_in_one_message() -> None:
    """S93: nobody has to start ten times to learn of ten mistakes."""
    changes = {"PORT": "x", "SECRET_KEY": "", "ALLOWED_ORIGINS": "*", "LOG_LEVEL": "loud", "PUBLIC_URL": "http://a.b"}
    with pytest.raises(ConfigurationError) as refusal:
        load(**changes)
    first, *lines = str(refusal.value).splitlines()
    assert first == "Ostiary cannot start: 5 finding(s) in the settings."
    assert {line.removeprefix("  - ").partition(":")[0] for line in lines} == set(changes)


def test_a_mistake_elsewhere_does_not_make_it_development() -> None:
    """S72: with an unknown ENVIRONMENT the strict rules still hold, and are reported with it."""
    found = findings(
        ENVIRONMENT="prod", PUBLIC_URL="http://accounts.example.com", ALLOWED_ORIGINS="*", ALLOWED_HOSTS="*"
    )
    assert [finding.partition(":")[0] for finding in found] == [
        "ENVIRONMENT",
        "PUBLIC_URL",
        "ALLOWED_ORIGINS",
        "ALLOWED_HOSTS",
    ]


# The server secret.


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "x",
        SECRET[:31],
        "é" * 15 + "x",
        "a" * 64,
        "ab" * 32,
        "0" * 32,
        "secret" * 10,
        "changemechangemechangemechangeme",
        "change-me-change-me-change-me-change-me",
        "your-secret-key-here-replace-it-with-something",
        "supersecretsupersecretsupersecret",
        "SECRETSECRETSECRETSECRETSECRETSECRET",
        "                                ",
    ],
)
def test_a_weak_secret_is_refused(secret: str) -> None:
    """S45, JW-03: empty, below 32 bytes, the same few characters, or the words of a tutorial."""
    assert secret_problem(secret)
    assert not is_accepted(SECRET_KEY=secret)


@pytest.mark.parametrize(
    "secret",
    [
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "a-string-secret-at-least-256-bits-long",
        "12345678901234567890123456789012",
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz012345",
        "django-insecure-abcdefghijklmnopqrstuvwxyz",
        "change-this-to-a-long-random-string-in-production",
        "replace-me-with-a-real-secret-key-please",
    ],
    ids=[
        "FastAPI's tutorial",
        "jwt.io",
        "digits",
        "hexadecimal digits",
        "alphabet",
        "Django's",
        "change this",
        "replace me",
    ],
)
def test_a_secret_that_everybody_knows_is_refused(secret: str) -> None:
    """JW-03, 3.1-31: long enough, and printed in manuals or counted up by hand."""
    assert secret_problem(secret)


@pytest.mark.parametrize("length", [24, 32, 48, 64])
def test_a_random_secret_is_accepted_however_it_is_written(length: int) -> None:
    """JW-03: what `openssl rand` and Python's `secrets` make."""
    for _ in range(200):
        for secret in (secrets.token_urlsafe(length), secrets.token_hex(length)):
            if not secret.lower().startswith(("dev", "test")):
                assert secret_problem(secret) is None, secret


@pytest.mark.parametrize("start", ["dev", "Dev", "tEST"])
def test_a_random_secret_may_begin_with_any_letters(start: str) -> None:
    """One in thirty thousand begins so; its owner would be told that it stands in a tutorial."""
    assert secret_problem(start + SECRET) is None


def test_32_bytes_are_enough() -> None:
    """JW-03: the boundary, counted in bytes."""
    assert secret_problem(SECRET[:32]) is None
    assert secret_problem(SECRET[:31])
    assert secret_problem("é" + SECRET[:30]) is None


# Secrets stay secret.


def test_no_finding_repeats_a_secret() -> None:
    """S74, S94, V16.2.5: a refusal ends up in a log, too."""
    with pytest.raises(ConfigurationError) as refusal:
        load(
            SECRET_KEY="my-weak-secret",
            DATABASE_URL=f"mysql://ostiary:{PASSWORD}@database.internal/accounts",
            PUBLIC_URL=f"https://admin:{PASSWORD}@accounts.example.com",
            FRONTEND_URL=f"https://admin:{PASSWORD}@app.example.com",
            ALLOWED_ORIGINS=f"https://admin:{PASSWORD}@app.example.com",
        )
    assert len(refusal.value.findings) == 5
    for text in (str(refusal.value), repr(refusal.value)):
        assert "my-weak-secret" not in text
        assert PASSWORD not in text
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_settings_that_are_printed_show_no_secret() -> None:
    """S74: neither as text nor as data."""
    settings = load(DATABASE_URL=f"postgresql://ostiary:{PASSWORD}@database.internal/accounts")
    for text in (repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json()):
        assert "ENVIRONMENT" in text
        assert SECRET not in text
        assert PASSWORD not in text


def test_even_the_library_s_own_error_shows_no_secret() -> None:
    """S74: for whoever builds `Settings` without `load`; its message would otherwise quote what it refuses."""
    with pytest.raises(ValidationError) as refusal:
        Settings(ENVIRONMENT="development", SECRET_KEY="my-weak-secret")
    assert "my-weak-secret" not in str(refusal.value)


def test_settings_do_not_change_while_the_server_runs() -> None:
    settings = load()
    for name in ("ALGORITHM", "SECRET_KEY", "ENVIRONMENT"):
        with pytest.raises(ValidationError):
            setattr(settings, name, getattr(settings, name))


# What follows from the settings.


def test_sessions_may_not_end_before_they_idle() -> None:
    """S60, S62: a contradiction of two values is refused whichever of them was set."""
    assert is_accepted(REFRESH_TOKEN_EXPIRE_DAYS=30)
    assert is_accepted(REFRESH_TOKEN_EXPIRE_DAYS=1, SESSION_MAX_DAYS=1)
    (finding,) = findings(REFRESH_TOKEN_EXPIRE_DAYS=31)
    assert finding.startswith("SESSION_MAX_DAYS: ")


@pytest.mark.parametrize(
    ("iterations", "least"), [(1, 47104), (2, 19456), (3, 12288), (4, 9216), (5, 7168), (6, 7168), (20, 7168)]
)
def test_password_hashing_is_never_weaker_than_owasp_allows(iterations: int, least: int) -> None:
    """PW-09: each pair of the storage sheet, to the kibibyte."""
    assert is_accepted(ARGON2_ITERATIONS=iterations, ARGON2_MEMORY_KIB=least)
    assert not is_accepted(ARGON2_ITERATIONS=iterations, ARGON2_MEMORY_KIB=least - 1)


def test_lifetimes_come_out_as_they_went_in() -> None:
    """S54, S62"""
    settings = load(
        ACCESS_TOKEN_EXPIRE_MINUTES=5, REFRESH_TOKEN_EXPIRE_DAYS=2, SESSION_MAX_DAYS=9, REFRESH_GRACE_SECONDS=11
    )
    assert settings.access_token_ttl == timedelta(minutes=5)
    assert settings.session_idle_ttl == timedelta(days=2)
    assert settings.session_absolute_ttl == timedelta(days=9)
    assert settings.refresh_grace_ttl == timedelta(seconds=11)


def test_a_public_installation_uses_every_core_and_shows_no_document() -> None:
    """S83, V13.4.5"""
    assert load().is_production
    assert load().worker_count == (os.cpu_count() or 1)
    assert load(WORKERS=3).worker_count == 3
    assert not load().docs_enabled
    assert load(DOCS_ENABLED=True).docs_enabled


def test_development_is_one_process_and_shows_its_document() -> None:
    settings = load(ENVIRONMENT="development")
    assert not settings.is_production
    assert settings.worker_count == 1
    assert settings.docs_enabled
    assert not load(ENVIRONMENT="development", DOCS_ENABLED=False).docs_enabled


def test_every_setting_is_described() -> None:
    """The description is the remedy of a finding and the line in the manual."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


# Keys.


def test_a_public_installation_signs_with_key_pairs() -> None:
    """JW-03: unless one chooses otherwise."""
    assert load().ALGORITHM == "ES256"
    assert load(ENVIRONMENT="development").ALGORITHM == "ES256"
    assert all(is_accepted(ALGORITHM=name) for name in ("ES256", "EdDSA", "RS256", "HS256"))


def test_key_pairs_are_rotated_every_quarter_and_published_an_hour_ahead() -> None:
    """JW-18"""
    assert load().signing_key_lifetime == timedelta(days=90)
    assert load().signing_key_lead == timedelta(minutes=60)
    assert load(SIGNING_KEY_ROTATION_DAYS=0).signing_key_lifetime is None


def test_former_secrets_come_after_the_present_one() -> None:
    """V13.3.4: in the order in which they are listed, each once."""
    one, two = SECRET[::-1], SECRET.swapcase()
    assert load().secrets == [SECRET]
    assert load(SECRET_KEY_PREVIOUS=f" {one}, {two},,").secrets == [SECRET, one, two]
    assert load(SECRET_KEY_PREVIOUS=f"{one},{SECRET}").secrets == [SECRET, one]


def test_a_former_secret_is_never_shown() -> None:
    """S74: neither in the settings as they print, nor in a finding."""
    former = SECRET[::-1]
    assert former not in repr(load(SECRET_KEY_PREVIOUS=former))
    assert former not in str(findings(SECRET_KEY_PREVIOUS=f"{former},short"))
