"""Settings of limits and of proxies: what is accepted, what refuses a start, and what the doctor says."""

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.config import ConfigurationError
from tests.configuring import SECRET, is_accepted, load


@pytest.mark.parametrize("url", ["https://accounts.example.com", "https://10.0.0.5", "https://localhost.example.com"])
def test_production_refuses_to_be_without_limits(url: str) -> None:
    """S36, V13.4.2: there is no way to forget them."""
    with pytest.raises(ConfigurationError, match="LIMITS_ENABLED: is false"):
        load(LIMITS_ENABLED=False, PUBLIC_URL=url)


def test_a_load_test_on_ones_own_machine_may_be_without_limits() -> None:
    assert load(LIMITS_ENABLED=False, PUBLIC_URL="https://127.0.0.1").LIMITS_ENABLED is False
    assert load(LIMITS_ENABLED=False, ENVIRONMENT="development").LIMITS_ENABLED is False


@pytest.mark.parametrize("environment", ["development", "production"])
def test_limits_are_on_by_default(environment: str) -> None:
    """S36, 3.7-03."""
    assert load(ENVIRONMENT=environment).LIMITS_ENABLED is True


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("auto", True),
        ("memory", True),
        ("database", True),
        ("redis://127.0.0.1:6379/0", True),
        ("rediss://user:password@cache.example.com:6380/1", True),
        ("valkey://127.0.0.1", True),
        ("", False),
        ("redis", False),
        ("memcached://127.0.0.1", False),
        ("redis:// 127.0.0.1", False),
    ],
)
def test_where_tries_are_counted_is_one_of_a_few_places(value: str, *, accepted: bool) -> None:
    assert is_accepted(LIMITS_STORAGE=value) is accepted


def test_a_refused_storage_does_not_repeat_its_password() -> None:
    """V16.2.5."""
    with pytest.raises(ConfigurationError) as refusal:
        load(LIMITS_STORAGE="reddis://user:canary7Zq1Xw@cache")
    assert "canary7Zq1Xw" not in str(refusal.value)
    assert "canary7Zq1Xw" not in repr(load(LIMITS_STORAGE="redis://user:canary7Zq1Xw@cache"))


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("", True),
        ("10.0.0.5", True),
        ("10.0.0.0/24, fd00::/64", True),
        ("::1", True),
        ("proxy.internal", False),
        ("10.0.0.5/24", False),
        ("10.0.0.5:443", False),
        ("0.0.0.0/0", False),
        ("10.0.0.5,::/0", False),
        ("*", False),
    ],
)
def test_proxies_are_addresses_or_networks_and_never_everybody(value: str, *, accepted: bool) -> None:
    """3.6-06, V4.1.3."""
    assert is_accepted(TRUSTED_PROXIES=value) is accepted


@pytest.mark.parametrize(("proxies", "finds"), [("", True), ("127.0.0.1", False)])
def test_the_doctor_says_when_clients_cannot_be_told_apart(tmp_path: object, proxies: str, *, finds: bool) -> None:
    """3.6-06, V4.1.3: in production something stands in front, and everybody would share one count."""
    env = {
        "ENVIRONMENT": "production",
        "PUBLIC_URL": "https://accounts.example.com",
        "SECRET_KEY": SECRET,
        "DATABASE_URL": f"sqlite:///{tmp_path}/none.db",
        "EMAIL_VERIFICATION": "off",
        "TRUSTED_PROXIES": proxies,
    }
    result = CliRunner().invoke(cli, ["doctor"], env=env)
    assert ("FAULT  TRUSTED_PROXIES is empty" in result.output) is finds
