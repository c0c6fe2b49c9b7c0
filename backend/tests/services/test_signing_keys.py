"""Key pairs in the database: who makes them, when they change, and what becomes of them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from app.auth.keys import generate_key_pair, private_half
from app.config import Settings
from app.exceptions import ConflictError, NotFoundError
from app.models import StoredKey
from app.runtime import Runtime
from app.services.signing_keys import carry_out, plan, read_keys
from tests.accounts import CLIENT, Accounts
from tests.answers import problem_of
from tests.contention import at_once
from tests.instances import instance
from tests.keys import change_key, let_keys_age, retire, rotate, states, stored_keys, tend
from tests.rows import every_row, everything, write
from tests.tokens import access_header

FORMER_SECRET = "Lq7Zt2Vx9Kp4Rw6Mb1Nd8Hs3Jf5Gc0Ya-EiUoPlTnQzWk"
LEAD = timedelta(minutes=60)
A_DAY_AND_MORE = timedelta(days=1, minutes=1)


async def signing_key_of(runtime: Runtime) -> str:
    return (await runtime.keys.ring(datetime.now(UTC))).current.kid


async def test_the_first_start_makes_a_key_that_signs_at_once(runtime: Runtime, accounts: Accounts) -> None:
    """JW-03: ES256 unless one chooses otherwise."""
    (key,) = await stored_keys(runtime)
    assert (key.algorithm, key.generation, key.retired_at) == ("ES256", 1, None)
    ada = await accounts.signed_in()
    assert access_header(ada.tokens["access_token"]) == {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    assert (await ada.get("/auth/me")).status_code == 200


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "HS256"])
async def test_every_algorithm_signs_in(settings: Settings, algorithm: str) -> None:
    """JW-03"""
    async with instance(settings.model_copy(update={"ALGORITHM": algorithm})) as running:
        ada = await Accounts(running.http, running.runtime).signed_in()
        assert access_header(ada.tokens["access_token"])["alg"] == algorithm
        assert (await ada.get("/auth/me")).status_code == 200
        assert len(await stored_keys(running.runtime)) == (0 if algorithm == "HS256" else 1)


async def test_many_workers_that_start_at_once_make_one_key(runtime: Runtime, settings: Settings) -> None:
    """V15.4.2: compare-and-set; the others go on with what the first one made."""
    keys = await read_keys(runtime.database.read, settings)
    await change_key(runtime, keys[0].dates.kid, retired_at=datetime.now(UTC), private_key_sealed=None)
    await at_once(5, lambda: tend(runtime))
    assert sorted((await states(runtime)).values()) == ["current", "retired"]


async def test_of_two_plans_for_the_same_generation_the_first_wins(runtime: Runtime, settings: Settings) -> None:
    """V15.4.2: the plans were made before either was carried out."""
    await let_keys_age(runtime, timedelta(days=90))
    changes = plan(await read_keys(runtime.database.read, settings), settings, datetime.now(UTC))
    for _ in range(2):
        async with runtime.database.begin(CLIENT) as work:
            await carry_out(work, changes, pair=generate_key_pair("ES256"))
    assert list((await states(runtime)).values()) == ["next", "current"]


async def test_people_who_rotate_at_once_each_get_a_key_of_their_own(runtime: Runtime) -> None:
    """V15.4.2"""
    kids = await at_once(4, lambda: rotate(runtime))
    keys = await stored_keys(runtime)
    assert len(set(kids)) == 4
    assert [key.generation for key in keys] == [1, 2, 3, 4, 5]


async def test_the_private_half_does_not_leave_the_process_in_clear(runtime: Runtime) -> None:
    """V11.7.1, S74: a copy of the database, without the server secret, signs nothing."""
    pair = (await runtime.keys.ring(datetime.now(UTC))).current
    private = private_half(pair)
    for rows in (await every_row(runtime)).values():
        for row in rows:
            assert not any(isinstance(value, bytes) and (private in value or private[-32:] in value) for value in row)


async def test_a_key_that_somebody_wrote_into_the_database_is_not_accepted(
    runtime: Runtime, accounts: Accounts
) -> None:
    """V11.7.1: the public half is worked out from what the server secret sealed, so a bare insert adds no key."""
    ada = await accounts.signed_in()
    (genuine,) = await stored_keys(runtime)
    theirs = generate_key_pair("ES256")
    now = datetime.now(UTC)
    for generation, sealed in ((2, private_half(theirs)), (3, genuine.private_key_sealed)):
        row = {"kid": f"{theirs.kid[:-1]}{generation}", "algorithm": "ES256", "generation": generation}
        await write(runtime, insert(StoredKey).values(**row, private_key_sealed=sealed, created_at=now, signs_from=now))
    await runtime.keys.reload()
    ring = await runtime.keys.ring(datetime.now(UTC))
    assert set(ring.accepted) == {genuine.kid}
    assert (await ada.get("/auth/me")).status_code == 200


@pytest.mark.parametrize("change", [{"algorithm": "RS256"}, {"generation": 7}, {"private_key_sealed": b"short"}])
async def test_a_row_that_was_changed_no_longer_opens(
    runtime: Runtime, settings: Settings, change: dict[str, object]
) -> None:
    """V11.3.3: the seal binds name, algorithm and generation."""
    (key,) = await stored_keys(runtime)
    await change_key(runtime, key.kid, **change)
    (held,) = await read_keys(runtime.database.read, settings)
    assert held.is_broken


# Rotation.


async def test_a_new_key_is_published_first_and_signs_after_the_lead(runtime: Runtime, accounts: Accounts) -> None:
    """JW-18: on every worker at the same moment, by the clock, without a restart or a job."""
    ada = await accounts.signed_in()
    (first,) = await stored_keys(runtime)
    second = await rotate(runtime)
    await runtime.keys.reload()
    assert await states(runtime) == {second: "next", first.kid: "current"}
    assert set((await runtime.keys.ring(datetime.now(UTC))).accepted) == {first.kid, second}
    assert await signing_key_of(runtime) == first.kid
    later = datetime.now(UTC) + LEAD
    assert (await runtime.keys.ring(later)).current.kid == second
    await let_keys_age(runtime, LEAD)
    assert await states(runtime) == {second: "current", first.kid: "former"}
    assert (await ada.get("/auth/me")).status_code == 200
    grace = await accounts.signed_in()
    assert access_header(grace.tokens["access_token"])["kid"] == second


async def test_a_former_key_is_destroyed_when_its_last_token_has_ended(runtime: Runtime, accounts: Accounts) -> None:
    """JW-18: refused from that moment, even before the job comes by."""
    ada = await accounts.signed_in()
    (first,) = await stored_keys(runtime)
    second = await rotate(runtime)
    await let_keys_age(runtime, LEAD + A_DAY_AND_MORE)
    problem_of(await ada.get("/auth/me"), 401, "TOKEN_INVALID")
    assert await states(runtime) == {second: "current", first.kid: "retired"}
    await tend(runtime)
    destroyed, kept = await stored_keys(runtime)
    assert destroyed.private_key_sealed is None
    assert destroyed.retired_at is not None
    assert kept.private_key_sealed is not None


async def test_the_job_rotates_by_age_and_once_only(runtime: Runtime) -> None:
    """JW-18: a worker that comes later finds the next key waiting."""
    (first,) = await stored_keys(runtime)
    await tend(runtime)
    assert list((await states(runtime)).values()) == ["current"]
    await let_keys_age(runtime, timedelta(days=90) - LEAD)
    for _ in range(3):
        await tend(runtime)
    assert list((await states(runtime)).values()) == ["next", "current"]
    _, second = await stored_keys(runtime)
    assert timedelta(0) <= second.signs_from - first.signs_from - timedelta(hours=1) < timedelta(minutes=5)


@pytest.mark.settings(SIGNING_KEY_ROTATION_DAYS=0)
async def test_without_an_age_the_job_never_rotates(runtime: Runtime) -> None:
    await let_keys_age(runtime, timedelta(days=4000))
    await tend(runtime)
    assert list((await states(runtime)).values()) == ["current"]


@pytest.mark.settings(SIGNING_KEY_LEAD_MINUTES=0)
async def test_a_rotation_always_leaves_the_workers_time_to_learn_of_it(runtime: Runtime) -> None:
    """Twice what a worker takes at most, whatever the settings say."""
    await rotate(runtime)
    _, second = await stored_keys(runtime)
    assert second.signs_from - second.created_at == timedelta(seconds=10)


async def test_another_algorithm_takes_over_like_any_other_key(settings: Settings) -> None:
    """Nobody is signed out, and verifiers see the new key before they need it."""
    async with instance(settings) as before:
        ada = await Accounts(before.http, before.runtime).signed_in()
    async with instance(settings.model_copy(update={"ALGORITHM": "EdDSA"})) as after:
        assert list((await states(after.runtime)).values()) == ["next", "current"]
        assert (await after.serves(ada).get("/auth/me")).status_code == 200
        await let_keys_age(after.runtime, LEAD)
        grace = await Accounts(after.http, after.runtime).signed_in()
        assert access_header(grace.tokens["access_token"])["alg"] == "EdDSA"
        assert (await after.serves(ada).get("/auth/me")).status_code == 200


async def test_after_a_switch_from_shared_keys_clients_refresh_once(settings: Settings) -> None:
    """JW-01: the server secret alone signs nothing any more; the sessions live on."""
    async with instance(settings.model_copy(update={"ALGORITHM": "HS256"})) as before:
        ada = await Accounts(before.http, before.runtime).signed_in()
        assert (await ada.get("/auth/me")).status_code == 200
    async with instance(settings) as after:
        moved = after.serves(ada)
        problem_of(await moved.get("/auth/me"), 401, "TOKEN_INVALID")
        assert (await moved.refresh()).status_code == 200
        assert (await moved.get("/auth/me")).status_code == 200
    async with instance(settings.model_copy(update={"ALGORITHM": "HS256"})) as back:
        assert (await back.serves(moved).get("/auth/me")).status_code == 200, "key pairs count as long as they live"


# Retirement.


async def test_a_retired_key_signs_and_verifies_nothing_and_another_takes_over(
    runtime: Runtime, accounts: Accounts
) -> None:
    """JW-18: its private half is gone; sessions live on."""
    ada = await accounts.signed_in()
    (first,) = await stored_keys(runtime)
    assert (await retire(runtime, first.kid)).state.value == "retired"
    await runtime.keys.reload()
    problem_of(await ada.get("/auth/me"), 401, "TOKEN_INVALID")
    assert (await ada.refresh()).status_code == 200
    assert access_header(ada.tokens["access_token"])["kid"] != first.kid
    assert (await ada.get("/auth/me")).status_code == 200
    gone, _ = await stored_keys(runtime)
    assert gone.private_key_sealed is None


async def test_retiring_a_key_that_does_not_sign_makes_no_new_one(runtime: Runtime) -> None:
    second = await rotate(runtime)
    await retire(runtime, second)
    assert list((await states(runtime)).values()) == ["retired", "current"]


async def test_retiring_twice_changes_nothing_more(runtime: Runtime) -> None:
    (first,) = await stored_keys(runtime)
    once = await retire(runtime, first.kid)
    before = await everything(runtime)
    assert (await retire(runtime, first.kid)).dates.retired_at == once.dates.retired_at
    assert await everything(runtime) == before


async def test_a_key_that_is_not_there_cannot_be_retired(runtime: Runtime) -> None:
    before = await everything(runtime)
    with pytest.raises(NotFoundError, match="Signing key not found"):
        await retire(runtime, "no-such-key")
    assert await everything(runtime) == before


@pytest.mark.settings(ALGORITHM="HS256")
async def test_with_shared_keys_there_is_nothing_to_rotate(runtime: Runtime) -> None:
    with pytest.raises(ConflictError, match="SECRET_KEY_PREVIOUS"):
        await rotate(runtime)
    assert await stored_keys(runtime) == []


# The server secret.


def with_new_secret(settings: Settings, *, keep_former: bool = True) -> Settings:
    former = settings.SECRET_KEY if keep_former else settings.SECRET_KEY_PREVIOUS
    fresh = type(former)(FORMER_SECRET[::-1])
    return settings.model_copy(update={"SECRET_KEY": fresh, "SECRET_KEY_PREVIOUS": former})


async def test_a_new_server_secret_signs_nobody_out(settings: Settings) -> None:
    """V13.3.4: key pairs are sealed anew at once, and nothing hangs on the former secret but its refresh tokens."""
    async with instance(settings) as before:
        ada = await Accounts(before.http, before.runtime).signed_in()
        (sealed,) = await stored_keys(before.runtime)
        async with instance(with_new_secret(settings)) as after:
            (resealed,) = await stored_keys(after.runtime)
            assert resealed.kid == sealed.kid
            assert resealed.private_key_sealed != sealed.private_key_sealed
            moved = after.serves(ada)
            assert (await moved.get("/auth/me")).status_code == 200
            assert (await moved.refresh()).status_code == 200
            # The worker that still has the former secret goes on with the key that it holds, and makes no other.
            await tend(before.runtime)
            await before.runtime.keys.reload()
            assert (await before.serves(moved).get("/auth/me")).status_code == 200
    async with instance(with_new_secret(settings, keep_former=False)) as later:
        assert list((await states(later.runtime)).values()) == ["current"]
        moved = later.serves(moved)
        assert (await moved.get("/auth/me")).status_code == 200
        assert (await moved.refresh()).status_code == 200, "its child was made under the new secret"


@pytest.mark.settings(ALGORITHM="HS256")
async def test_a_new_server_secret_signs_nobody_out_with_shared_keys_either(settings: Settings) -> None:
    """V13.3.4"""
    async with instance(settings) as before:
        ada = await Accounts(before.http, before.runtime).signed_in()
    async with instance(with_new_secret(settings)) as after:
        assert (await after.serves(ada).get("/auth/me")).status_code == 200
    async with instance(with_new_secret(settings, keep_former=False)) as later:
        problem_of(await later.serves(ada).get("/auth/me"), 401, "TOKEN_INVALID")
        problem_of(await later.serves(ada).refresh(), 401, "REFRESH_TOKEN_INVALID")


async def test_a_key_that_no_secret_opens_is_passed_over_and_replaced(settings: Settings) -> None:
    """V16.5.2: the server starts all the same, and signs with a key of its own."""
    async with instance(settings) as before:
        ada = await Accounts(before.http, before.runtime).signed_in()
    lost = with_new_secret(settings, keep_former=False)
    async with instance(lost) as after:
        broken, fresh = await read_keys(after.runtime.database.read, lost)
        assert (broken.is_broken, fresh.is_broken) == (True, False)
        assert await signing_key_of(after.runtime) == fresh.dates.kid
        problem_of(await after.serves(ada).get("/auth/me"), 401, "TOKEN_INVALID")
        # Two servers with different secrets would be wrong, but they do not drive each other to make ever more keys.
        async with instance(settings) as other:
            await tend(other.runtime)
            await tend(after.runtime)
            assert len(await stored_keys(other.runtime)) == 2
            assert (await other.serves(ada).get("/auth/me")).status_code == 200
