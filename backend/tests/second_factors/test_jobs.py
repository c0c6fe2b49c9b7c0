"""What second factors leave behind goes, and no seed needs a former server secret for long."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, insert, select, update
from structlog.testing import capture_logs

from app.auth.identifiers import new_id
from app.auth.totp import new_seed
from app.config import Settings
from app.jobs import periodic
from app.jobs.purges import PURGE_SECOND_FACTORS, purge_job
from app.jobs.seeds import RESEAL_SEEDS, Resealer
from app.models import PendingSignIn, RememberedDevice, SpentCeremony, TotpAuthenticator
from app.runtime import Runtime
from app.services.examination import examine
from app.services.second_factors import purge, resealing
from app.services.second_factors.seeds import SeedSeals
from tests.accounts import Accounts
from tests.conftest import SECRET, settings_for
from tests.contention import eventually, uncommitted
from tests.factors import finish, forget_last_step, pending_of, with_app
from tests.instances import instance
from tests.rows import add_users, count, write

FORMER = "Kq7Zx2Vb9Nm4Lp8Wd3Rt6Yj1Hf5Gs0AcUeIoPzXq"
LOST = "Tr5Yw8Ue3Qa6Sd1Fg4Hj7Kl2Zx9Cv0BnMqWeRtYu"
ROTATED = pytest.mark.settings(SECRET_KEY_PREVIOUS=FORMER)


def seals_of(secret: str) -> SeedSeals:
    return SeedSeals.of(settings_for("sqlite:///nothing.db", SECRET_KEY=secret))


async def add_apps(runtime: Runtime, number: int, *, secret: str) -> dict[UUID, bytes]:
    """Give people apps whose seeds a server with this secret has sealed. Return the seeds by the ids of their rows."""
    seeds = {new_id(): new_seed() for _ in range(number)}
    now, seals, owners = datetime.now(UTC), seals_of(secret), await add_users(runtime, number)
    rows = [
        {
            "id": row_id,
            "user_id": owner,
            "seed_encrypted": seals.seal(seed, row_id),
            "sealed_with": seals.name,
            "last_step": -1,
            "failures": 0,
            "created_at": now,
            "confirmed_at": now,
        }
        for (row_id, seed), owner in zip(seeds.items(), owners, strict=True)
    ]
    await write(runtime, insert(TotpAuthenticator).values(rows))
    return seeds


async def opened_by(runtime: Runtime, secret: str) -> dict[UUID, bytes]:
    """Return the seeds that a server with this secret alone opens."""
    seals = seals_of(secret)
    rows = await runtime.database.read.entities(select(TotpAuthenticator))
    return {row.id: seals.open(row.seed_encrypted, row.id) for row in rows if row.sealed_with == seals.name}


async def add_leftovers(runtime: Runtime, number: int, *, age: timedelta) -> None:
    """Add rows of each kind whose time was over so long ago."""
    ended, owners = datetime.now(UTC) - age, await add_users(runtime, number)
    secret = [owner.bytes * 2 for owner in owners]
    common: list[dict[str, Any]] = [
        {"id": new_id(), "user_id": owner, "secret_digest": owner.bytes * 2, "created_at": ended, "expires_at": ended}
        for owner in owners
    ]
    seals = seals_of(SECRET)
    apps = [
        {
            "id": new_id(),
            "user_id": owner,
            "seed_encrypted": b"s",
            "sealed_with": seals.name,
            "last_step": -1,
            "failures": 0,
            "created_at": ended - purge.UNCONFIRMED_FOR,
        }
        for owner in owners
    ]
    pending = {"methods": "pwd", "transport": "bearer", "stage": "second_factor", "tries": 0}
    await write(
        runtime,
        insert(PendingSignIn).values([{**row, **pending} for row in common]),
        insert(RememberedDevice).values([{**row, "device": "Firefox", "last_used_at": ended} for row in common]),
        insert(SpentCeremony).values([{"digest": each, "expires_at": ended - purge.MARGIN} for each in secret]),
        insert(TotpAuthenticator).values(apps),
    )


async def left(runtime: Runtime) -> list[int]:
    """Return how many rows of each kind are left."""
    keys = (PendingSignIn.id, RememberedDevice.id, SpentCeremony.digest, TotpAuthenticator.id)
    return [len(await runtime.database.read.all(select(key))) for key in keys]


async def test_what_is_over_goes_and_what_counts_stays(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V14.2.7: in batches, until nothing of any kind is left that is over."""
    monkeypatch.setattr(purge, "BATCH", 2)
    await add_leftovers(runtime, 5, age=timedelta(seconds=1))
    await add_leftovers(runtime, 1, age=timedelta(minutes=-1))
    await purge_job("purge", timedelta(hours=1), purge.purge_leftovers, batch=2).run(runtime)
    assert await left(runtime) == [1, 1, 1, 1]


async def test_an_app_that_counts_is_not_purged_however_old_it_is(runtime: Runtime) -> None:
    apps = await add_apps(runtime, 2, secret=SECRET)
    long_ago = datetime.now(UTC) - timedelta(days=1000)
    await write(runtime, update(TotpAuthenticator).values(created_at=long_ago, confirmed_at=long_ago))
    await PURGE_SECOND_FACTORS.run(runtime)
    assert await opened_by(runtime, SECRET) == apps


async def test_an_app_that_was_replaced_goes_when_it_can_come_back_no_more(runtime: Runtime) -> None:
    """TO-05: "this wasn't me" works for 72 hours."""
    await add_apps(runtime, 1, secret=SECRET)
    for hours, left in ((71, 1), (73, 0)):
        then = datetime.now(UTC) - timedelta(hours=hours)
        await write(runtime, update(TotpAuthenticator).values(confirmed_at=then, replaced_at=then))
        await PURGE_SECOND_FACTORS.run(runtime)
        assert await count(runtime, TotpAuthenticator) == left


async def test_an_answered_ceremony_is_remembered_longer_than_it_lasts(runtime: Runtime) -> None:
    """WA-01: on a server whose clock is late it could be answered again otherwise."""
    ends = datetime.now(UTC) - purge.MARGIN + timedelta(minutes=1)
    await write(runtime, insert(SpentCeremony).values(digest=b"d" * 32, expires_at=ends))
    await PURGE_SECOND_FACTORS.run(runtime)
    assert (await left(runtime))[2] == 1


@pytest.mark.only("postgresql")
async def test_what_a_request_holds_stays_for_the_next_round(runtime: Runtime) -> None:
    """V15.4.2: the job waits for nobody, so no request ever waits in a circle with it."""
    await add_leftovers(runtime, 2, age=timedelta(hours=1))
    async with uncommitted(runtime, select(PendingSignIn.id).limit(1).with_for_update()):
        await PURGE_SECOND_FACTORS.run(runtime)
        assert await left(runtime) == [1, 0, 0, 0]
    await PURGE_SECOND_FACTORS.run(runtime)
    assert await left(runtime) == [0, 0, 0, 0]


async def test_a_server_purges_soon_after_it_started(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one of the server's own jobs, and so is the one that seals anew."""
    monkeypatch.setattr(periodic, "SETTLING_SECONDS", 0.0)
    await add_leftovers(runtime, 1, age=timedelta(hours=1))
    async with instance(settings):
        await eventually(partial(left, runtime), [0, 0, 0, 0])


@ROTATED
async def test_seeds_of_a_former_secret_are_sealed_anew(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V11.2.2, V13.3.4: in batches; afterwards the former secret opens none of them, and the present one all."""
    monkeypatch.setattr(resealing, "BATCH", 2)
    apps = await add_apps(runtime, 5, secret=FORMER) | await add_apps(runtime, 1, secret=SECRET)
    await RESEAL_SEEDS.run(runtime)
    assert await opened_by(runtime, SECRET) == apps
    assert await opened_by(runtime, FORMER) == {}


@ROTATED
async def test_many_workers_seal_anew_at_once(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """V15.4.1: each seed comes out of it readable."""
    monkeypatch.setattr(resealing, "BATCH", 3)
    apps = await add_apps(runtime, 20, secret=FORMER)
    await asyncio.gather(*(Resealer().reseal(runtime) for _ in range(4)))
    await RESEAL_SEEDS.run(runtime)
    assert await opened_by(runtime, SECRET) == apps


@ROTATED
@pytest.mark.only("postgresql")
async def test_a_seed_that_a_request_holds_is_sealed_anew_in_the_next_round(runtime: Runtime) -> None:
    """V15.4.2: nobody who signs in waits for the job, nor it for them."""
    apps = await add_apps(runtime, 2, secret=FORMER)
    held = min(apps)
    async with uncommitted(runtime, select(TotpAuthenticator.id).where(TotpAuthenticator.id == held).with_for_update()):
        await RESEAL_SEEDS.run(runtime)
        assert set(await opened_by(runtime, SECRET)) == set(apps) - {held}
    await RESEAL_SEEDS.run(runtime)
    assert await opened_by(runtime, SECRET) == apps


@ROTATED
async def test_a_seed_that_no_secret_opens_is_told_once_and_left_as_it_is(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V16.3.4: it stops nobody else's from being sealed anew, and counts again when its secret comes back."""
    monkeypatch.setattr(resealing, "BATCH", 1)
    lost, resealer = await add_apps(runtime, 2, secret=LOST), Resealer()
    kept = await add_apps(runtime, 2, secret=FORMER)
    with capture_logs() as lines:
        for _ in range(3):
            await resealer.reseal(runtime)
    assert [line["number"] for line in lines if line["event"] == "totp.unreadable_seeds"] == [2]
    assert await opened_by(runtime, SECRET) == kept
    assert await opened_by(runtime, LOST) == lost


async def test_an_app_goes_on_through_a_change_of_the_secret(settings: Settings) -> None:
    """V13.3.4: with the former secret, then sealed anew, then without it."""
    url = settings.DATABASE_URL.get_secret_value()
    async with instance(settings_for(url, SECRET_KEY=FORMER)) as before:
        ada = await with_app(Accounts(before.http, before.runtime), before.runtime)
    for changes in ({"SECRET_KEY_PREVIOUS": FORMER}, {}):
        async with instance(settings_for(url, **changes)) as after:
            pending = await pending_of(after.http, after.serves(ada.person))
            done = await finish(after.http, pending, method="totp", code=ada.code())
            assert done.status_code == 200, done.text
            await forget_last_step(after.runtime)
            await RESEAL_SEEDS.run(after.runtime)


async def findings(app: FastAPI, runtime: Runtime) -> list[tuple[str, str]]:
    """Return what the doctor says of seeds."""
    found = await examine(runtime.settings, runtime.database, app.state.revisions)
    return [(each.level, each.text) for each in found if each.text.startswith("seeds of")]


@ROTATED
async def test_the_doctor_says_whether_a_former_secret_can_go(app: FastAPI, runtime: Runtime) -> None:
    """V13.3.1, V13.3.4: and how many apps no secret opens, which is a fault."""
    await add_apps(runtime, 1, secret=SECRET)
    assert [level for level, _ in await findings(app, runtime)] == ["ok"]
    await add_apps(runtime, 3, secret=FORMER)
    await add_apps(runtime, 2, secret=LOST)
    fault, advice = await findings(app, runtime)
    assert fault[0] == "fault"
    assert "no secret opens 2," in fault[1]
    assert advice[0] == "advice"
    assert "3 still need a former secret" in advice[1]
    await write(runtime, delete(TotpAuthenticator).where(TotpAuthenticator.sealed_with == seals_of(LOST).name))
    await RESEAL_SEEDS.run(runtime)
    assert [level for level, _ in await findings(app, runtime)] == ["ok"]
