"""`ostiary keys`, as an operator calls it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.config import Settings
from app.exceptions import ConflictError, NotFoundError
from app.models import StoredKey
from app.runtime import Runtime
from tests.conftest import SECRET, settings_for
from tests.keys import states, stored_keys, tend
from tests.rows import write

Value = TypeVar("Value")
Operator = Callable[..., Result]
OTHER_SECRET = SECRET[::-1]


@pytest.fixture
def operator(database_url: str) -> Operator:
    """Calls the command with the settings of the test's database; keyword arguments change some."""

    def call(*arguments: str, **settings: str) -> Result:
        environment = {"ENVIRONMENT": "development", "SECRET_KEY": SECRET, "DATABASE_URL": database_url, **settings}
        return CliRunner().invoke(cli, ["keys", *arguments], env=environment)

    return call


def with_runtime(url: str, action: Callable[[Runtime], Awaitable[Value]], settings: Settings | None = None) -> Value:
    """Do something with the database between two calls."""

    async def run() -> Value:
        runtime = Runtime.build(settings or settings_for(url))
        try:
            return await action(runtime)
        finally:
            await runtime.close()

    return asyncio.run(run())


def lines_of(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [re.split(r" {2,}", line) for line in result.stdout.splitlines()]


def test_keys_are_listed_with_what_an_operator_wants_to_know(database_url: str, operator: Operator) -> None:
    with_runtime(database_url, tend)
    assert operator("rotate").exit_code == 0
    head, second, first = lines_of(operator("list"))
    assert head == ["kid", "algorithm", "state", "created", "signs from", "verifies until"]
    (old, new) = with_runtime(database_url, stored_keys)
    assert second[:3] == [new.kid, "ES256", "next"]
    assert first[:3] == [old.kid, "ES256", "current"]
    assert second[5] == "-"
    assert [line[4] for line in (second, first)] == [f"{k.signs_from:%Y-%m-%d %H:%M:%SZ}" for k in (new, old)]


def test_an_empty_list_is_its_head_alone(operator: Operator) -> None:
    assert len(lines_of(operator("list"))) == 1


def test_no_private_key_is_printed(database_url: str, operator: Operator) -> None:
    """S74: names and dates only, whichever command."""
    with_runtime(database_url, tend)
    kid = with_runtime(database_url, stored_keys)[0].kid
    for arguments in (("list",), ("rotate",), ("retire", kid)):
        assert "private" not in operator(*arguments).output.lower()


def test_a_rotation_says_when_the_new_key_signs(database_url: str, operator: Operator) -> None:
    """JW-18"""
    with_runtime(database_url, tend)
    result = operator("rotate")
    new = with_runtime(database_url, stored_keys)[1]
    assert f"{new.kid} (ES256)" in result.stderr
    assert f"{new.signs_from:%Y-%m-%d %H:%M:%SZ}" in result.stderr


def test_a_rotation_of_shared_keys_is_refused_with_what_to_do(database_url: str, operator: Operator) -> None:
    result = operator("rotate", ALGORITHM="HS256")
    assert isinstance(result.exception, ConflictError)
    assert "SECRET_KEY_PREVIOUS" in str(result.exception)
    assert with_runtime(database_url, stored_keys) == []
    assert "SECRET_KEY" in operator("list", ALGORITHM="HS256").stderr


def test_a_retired_key_is_replaced_if_it_signed(database_url: str, operator: Operator) -> None:
    """JW-18"""
    with_runtime(database_url, tend)
    (first,) = with_runtime(database_url, stored_keys)
    result = operator("retire", first.kid)
    assert result.exit_code == 0, result.output
    assert "ten seconds" in result.stderr
    assert list(with_runtime(database_url, states).values()) == ["current", "retired"]


def test_with_shared_keys_a_pair_is_retired_without_another(database_url: str, operator: Operator) -> None:
    with_runtime(database_url, tend)
    (first,) = with_runtime(database_url, stored_keys)
    assert operator("retire", first.kid, ALGORITHM="HS256").exit_code == 0
    assert list(with_runtime(database_url, states).values()) == ["retired"]


def test_a_name_that_begins_with_a_dash_is_a_name(operator: Operator) -> None:
    """One thumbprint of 64 begins so."""
    for kid in ("-abc", "--abc", "-h"):
        result = operator("retire", kid)
        assert isinstance(result.exception, NotFoundError), result.output


def test_an_unknown_name_is_refused(database_url: str, operator: Operator) -> None:
    with_runtime(database_url, tend)
    result = operator("retire", "no-such-key")
    assert str(result.exception) == "Signing key not found"
    assert list(with_runtime(database_url, states).values()) == ["current"]


def test_a_key_that_no_secret_opens_is_listed_as_such_and_can_be_given_up(
    database_url: str, operator: Operator
) -> None:
    with_runtime(database_url, tend)
    (first,) = with_runtime(database_url, stored_keys)
    assert lines_of(operator("list", SECRET_KEY=OTHER_SECRET))[1][2] == "unreadable"
    assert operator("retire", first.kid, SECRET_KEY=OTHER_SECRET).exit_code == 0
    assert lines_of(operator("list", SECRET_KEY=OTHER_SECRET))[-1][2] == "retired"


def test_the_doctor_finds_a_key_that_no_secret_opens(database_url: str) -> None:
    """V13.3.1: a fault with its remedy, and an advice while a former secret is still needed."""
    with_runtime(database_url, tend)
    (key,) = with_runtime(database_url, stored_keys)
    common = {"ENVIRONMENT": "development", "DATABASE_URL": database_url}
    good = CliRunner().invoke(cli, ["doctor"], env={**common, "SECRET_KEY": SECRET})
    assert f"signing key {key.kid} (ES256) signs" in good.output
    former = CliRunner().invoke(
        cli, ["doctor"], env={**common, "SECRET_KEY": OTHER_SECRET, "SECRET_KEY_PREVIOUS": SECRET}
    )
    assert f"signing key {key.kid} is sealed under a former secret" in former.output
    lost = CliRunner().invoke(cli, ["doctor"], env={**common, "SECRET_KEY": OTHER_SECRET, "SECRET_KEY_PREVIOUS": ""})
    assert lost.exit_code == 1
    assert f"ostiary keys retire {key.kid}" in lost.output
    assert SECRET not in lost.output


def test_a_row_without_its_private_half_is_no_key(database_url: str, operator: Operator) -> None:
    with_runtime(database_url, tend)
    with_runtime(database_url, lambda runtime: write(runtime, update(StoredKey).values(private_key_sealed=None)))
    assert lines_of(operator("list"))[1][2] == "unreadable"
    with_runtime(database_url, tend)
    assert len(with_runtime(database_url, stored_keys)) == 2
