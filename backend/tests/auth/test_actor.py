import dataclasses
from datetime import UTC, datetime

import pytest

from app.auth.actor import CurrentUser
from app.auth.identifiers import new_id
from app.auth.transports import Transport

ADA = CurrentUser(
    id=new_id(),
    email="ada@example.com",
    full_name=None,
    locale=None,
    is_active=True,
    email_verified=True,
    role="support",
    role_rank=10,
    permissions=frozenset({"users:read"}),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    session_id=new_id(),
    transport=Transport.BEARER,
    authenticated_at=datetime(2026, 1, 2, tzinfo=UTC),
    methods=("pwd",),
    has_password=True,
    has_second_factor=False,
)


def test_a_caller_may_what_the_role_says() -> None:
    """S21"""
    assert ADA.may("users:read")


@pytest.mark.parametrize(
    "permission", ["users:write", "users", "users:*", "users:read ", "USERS:READ", "*", "", "read"]
)
def test_a_caller_may_nothing_that_only_resembles_it(permission: str) -> None:
    """S21: permissions are names, not patterns."""
    assert not ADA.may(permission)


def test_a_caller_without_permissions_may_nothing() -> None:
    assert not dataclasses.replace(ADA, permissions=frozenset()).may("")


@pytest.mark.parametrize("name", ["role", "permissions", "id"])
def test_nobody_on_the_way_can_make_more_of_a_caller(name: str) -> None:
    """3.8-01"""
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(ADA, name, "admin")
