import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Executable, insert, select, text

from app import migrations
from app.config import Settings
from app.database import Database
from app.migrations import Revisions, present_heads, revisions
from app.models import (
    Identity,
    LimitBucket,
    ProviderToken,
    Role,
    RolePermission,
    Session,
    SessionEvent,
    SignInCode,
    SpentFlow,
    User,
)
from app.runtime import Runtime
from app.services.job_runs import Rounds, note_rounds
from app.services.readiness import check_readiness
from tests.accounts import API, CLIENT, Accounts
from tests.architecture.schema import REVISION, empty_url, extension_with_migration, opened, schema_of
from tests.architecture.sources import BACKEND
from tests.architecture.test_identities_migration import code_of, identity_of
from tests.architecture.test_provider_tokens_migration import tokens_of
from tests.authenticator import Authenticator
from tests.conftest import SECRET
from tests.factors import add_passkey, finish, page_of, pending_of, with_app
from tests.instances import Instance, instance
from tests.rows import add_role, count, every_row, write

__all__ = ["empty_url"]

TABLES = {
    "alembic_version",
    "audit_events",
    "identities",
    "job_runs",
    "limit_buckets",
    "mailed_proofs",
    "outgoing_mails",
    "passkeys",
    "pending_sign_ins",
    "provider_tokens",
    "recovery_codes",
    "remembered_devices",
    "role_permissions",
    "roles",
    "session_events",
    "sessions",
    "sign_in_codes",
    "signing_keys",
    "spent_ceremonies",
    "spent_flows",
    "totp_authenticators",
    "users",
}
COMPARISON = """
import asyncio
import app.main
from app import migrations
from app.config import Settings
from app.database import Database
from sqlalchemy import text

async def compare():
    database = Database(Settings.load(), patient=True)
    await migrations.check(database)
    print("the models and the migrations agree", flush=True)
    async with database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE users DROP COLUMN full_name"))
    await migrations.check(database)

asyncio.run(compare())
"""
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
OSTIARY = "from app.cli.main import run; run()"


async def fill(running: Instance) -> None:
    """Put something into every table, through the front door where there is one."""
    accounts, runtime = Accounts(running.http, running.runtime), running.runtime
    administrator = await accounts.administrator()
    person = await accounts.signed_in(name="Grace Hopper")
    await person.refresh()
    await person.http.post(f"{API}/auth/password/forgot", json={"email": person.email})
    identity = identity_of(person)
    await write(
        runtime,
        insert(Identity).values(identity),
        insert(SignInCode).values(code_of(identity)),
        insert(SpentFlow).values(digest=b"s" * 32, expires_at=datetime.now(UTC)),
        insert(ProviderToken).values(tokens_of(identity)),
        insert(LimitBucket).values(key=b"k" * 16, full_at=1, interval_ms=1, burst=1),
    )
    await (await person.sign_in()).post("/auth/logout/all")
    await fill_second_factors(running)
    assert (await administrator.get(f"/users/{person.id}")).status_code == 200
    async with runtime.database.begin(CLIENT) as work:
        await note_rounds(work, "mail", Rounds(runs=1))
    for model in (User, Session, SessionEvent, Role, RolePermission):
        assert await count(runtime, model) >= 2
    assert [name for name, rows in (await every_row(runtime)).items() if not rows] == []


async def fill_second_factors(running: Instance) -> None:
    """Put something into every table of second factors, through the front door."""
    device = Authenticator(page_of(running.runtime))
    ada = await with_app(Accounts(running.http, running.runtime), running.runtime)
    await add_passkey(ada.person, device)
    await finish(
        running.http, await pending_of(running.http, ada.person), method="totp", code=ada.code(), remember_device=True
    )
    await pending_of(running.http, ada.person)


async def seeds(running: Instance) -> dict[str, list[tuple[object, ...]]]:
    """Return what a migration itself puts into tables."""
    statements: dict[str, Executable] = {
        "roles": select(Role.name, Role.rank, Role.description).order_by(Role.name),
        "permissions": select(RolePermission.role_name, RolePermission.permission).order_by(
            *RolePermission.__table__.primary_key
        ),
    }
    read = running.runtime.database.read
    return {name: [tuple(row) for row in await read.all(statement)] for name, statement in statements.items()}


async def run(*command: str, environment: Mapping[str, str], folder: Path = BACKEND) -> tuple[int, str]:
    """Run Python as a process of its own and return its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env={**os.environ, "ENVIRONMENT": "development", "SECRET_KEY": SECRET, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_a_filled_database_goes_down_and_up_again(settings: Settings) -> None:
    """S97, V2.3.3: with accounts, sessions and roles in it, before and after."""
    url = settings.DATABASE_URL.get_secret_value()
    async with instance(settings) as before:
        await fill(before)
        seeded = await seeds(before)
    async with opened(url) as database:
        schema = await schema_of(database)
        assert set(schema) == TABLES
        await migrations.downgrade(database)
        assert set(await schema_of(database)) == {"alembic_version"}
        assert await present_heads(database) == frozenset()
        await migrations.upgrade(database)
        assert await schema_of(database) == schema
        assert await present_heads(database) == revisions().heads
    async with instance(settings) as after:
        assert await count(after.runtime, User) == 0
        assert await seeds(after) == seeded
        await fill(after)


async def test_every_step_can_be_taken_down_and_up_again_with_rows_in_every_table(settings: Settings) -> None:
    """S97, V2.3.3: whatever stands in a table, no step down or up stumbles over it; accounts stay until the first."""
    async with instance(settings) as before:
        await fill(before)
    scripts = ScriptDirectory.from_config(migrations.alembic_config())
    steps = [script.revision for script in scripts.walk_revisions()]
    async with opened(settings.DATABASE_URL.get_secret_value()) as database:
        for step, below in zip(steps, [*steps[1:], "base"], strict=True):
            schema = await schema_of(database)
            await migrations.downgrade(database, revision=below)
            await migrations.upgrade(database, revision=step)
            assert await schema_of(database) == schema
            kept = await database.read.first(text("SELECT count(*) FROM users"))
            assert kept is not None
            assert kept[0] == (3 if below != "base" else 0)
            await migrations.downgrade(database, revision=below)


async def test_what_an_installation_has_given_to_its_roles_outlives_a_way_down_and_up(settings: Settings) -> None:
    """S97: a permission of ours that another role was given is not ours to take."""
    given = ("audit:read", "users:invite", "users:reset_factors")
    async with instance(settings) as before:
        await add_role(before.runtime, "support", *given, rank=10)
        seeded = await seeds(before)
    async with opened(settings.DATABASE_URL.get_secret_value()) as database:
        await migrations.downgrade(database, revision="0007")
        left = await database.read.all(select(RolePermission.role_name).where(RolePermission.permission.in_(given)))
        assert {row.role_name for row in left} == {"support"}
        await migrations.upgrade(database)
    async with instance(settings) as after:
        assert await seeds(after) == seeded


async def test_every_step_can_be_taken_down_and_up_again(empty_url: str) -> None:
    """S97: one revision after the other, as an operator would during an incident."""
    scripts = ScriptDirectory.from_config(migrations.alembic_config())
    steps = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    async with opened(empty_url) as database:
        for below, step in zip(["base", *steps], steps, strict=False):
            await migrations.upgrade(database, revision=step)
            schema = await schema_of(database)
            await migrations.downgrade(database, revision=below)
            await migrations.upgrade(database, revision=step)
            assert await schema_of(database) == schema
        assert await present_heads(database) == revisions().heads


async def test_migrating_a_current_database_changes_nothing(runtime: Runtime) -> None:
    """S97: `ostiary serve --migrate` runs at every start."""
    before = await schema_of(runtime.database)
    await migrations.upgrade(runtime.database)
    assert await schema_of(runtime.database) == before


async def test_the_models_and_the_migrations_agree(database_url: str) -> None:
    """S05, S97: nothing is in a model that a migrated database has not, nor the other way round.

    In a process of its own, because an extension that another test has loaded would add its tables to the models.
    """
    code, output = await run("-c", COMPARISON, environment={"DATABASE_URL": database_url})
    assert "the models and the migrations agree" in output
    # And the comparison can fail: the column that was taken away is missed.
    assert code != 0
    assert "New upgrade operations detected" in output
    assert "full_name" in output


async def test_a_developer_can_ask_alembic_itself(database_url: str) -> None:
    """S97: `alembic check` and `alembic revision --autogenerate` see every model, or they would drop its table."""
    code, output = await run("-m", "alembic", "check", environment={"DATABASE_URL": database_url})
    assert code == 0, output[:500]


@pytest.mark.only("postgresql")
async def test_two_servers_that_start_at_once_both_find_a_current_schema(empty_url: str) -> None:
    """S97, V15.4.2: they migrate one after the other, and neither of them fails.

    Both are held at the lock until both are there, so that they meet for certain.
    """
    command = run("-c", OSTIARY, "migrate", environment={"DATABASE_URL": empty_url})
    other = run("-c", OSTIARY, "migrate", environment={"DATABASE_URL": empty_url})
    async with opened(empty_url) as database:
        async with database.engine.begin() as holder:
            await holder.execute(text(migrations.PREPARE_POSTGRESQL[0]))
            servers = [asyncio.create_task(command), asyncio.create_task(other)]
            await two_are_waiting(database)
        assert [code for code, _ in await asyncio.gather(*servers)] == [0, 0]
        assert await check_readiness(database, revisions()) == {"database": "ok", "migrations": "ok"}
        assert set(await schema_of(database)) == TABLES


async def two_are_waiting(database: Database) -> None:
    """Return once two processes wait for the lock of migrations."""
    waiting = 0
    async with asyncio.timeout(60):
        while waiting < 2:
            await asyncio.sleep(0.01)
            row = await database.read.first(WAITING)
            waiting = row[0] if row else 0


async def test_a_migration_that_fails_changes_nothing(database_url: str, tmp_path: Path) -> None:
    """V2.3.3, S97: all of it or none of it, the note of its revision included."""
    product = extension_with_migration(
        tmp_path,
        """
        op.create_table("product", sa.Column("id", sa.Integer, primary_key=True))
        op.execute("UPDATE roles SET rank = 7")
        raise RuntimeError("half way")
        """,
    )
    async with opened(database_url) as database:
        before = await schema_of(database)
        with pytest.raises(RuntimeError, match="half way"):
            await migrations.upgrade(database, [product])
        assert await schema_of(database) == before
        assert await present_heads(database) == revisions().heads
        ranks = {row.rank for row in await database.read.all(select(Role.rank))}
        assert ranks == {0, 100}


async def test_a_migration_that_copies_a_table_keeps_what_hangs_on_it(settings: Settings, tmp_path: Path) -> None:
    """S97, V2.3.3: SQLite changes a table by copying it; dropping the old one must not take sessions along."""
    product = extension_with_migration(
        tmp_path,
        """
        with op.batch_alter_table("users", recreate="auto") as table:
            table.alter_column("full_name", type_=sa.String(300), existing_type=sa.String(200), existing_nullable=True)
        """,
    )
    async with instance(settings) as before:
        await fill(before)
        sessions = await count(before.runtime, Session)
    async with opened(settings.DATABASE_URL.get_secret_value()) as database:
        await migrations.upgrade(database, [product])
    async with instance(settings) as after:
        assert await count(after.runtime, User) == 3
        assert await count(after.runtime, Session) == sessions


@pytest.mark.only("postgresql")
async def test_a_migration_does_not_wait_for_a_table_for_ever(database_url: str, tmp_path: Path) -> None:
    """V15.2.2: everybody who comes after a waiting migration would wait as well."""
    product = extension_with_migration(
        tmp_path, "op.execute(\"CREATE TABLE product AS SELECT current_setting('lock_timeout') AS patience\")"
    )
    async with opened(database_url) as database:
        await migrations.upgrade(database, [product])
        row = await database.read.first(text("SELECT patience FROM product"))
    assert row is not None
    assert row.patience == "5s"


async def test_an_empty_database_is_not_ready_and_a_migrated_one_is(empty_url: str) -> None:
    """S91, V16.5.2."""
    async with opened(empty_url) as database:
        assert await present_heads(database) == frozenset()
        assert not revisions().satisfied_by(frozenset())
        await migrations.upgrade(database)
        assert await check_readiness(database, revisions()) == {"database": "ok", "migrations": "ok"}


async def test_an_extensions_revision_is_expected_and_recorded(database_url: str, tmp_path: Path) -> None:
    """S97: its own branch, which hangs on ours."""
    product = extension_with_migration(tmp_path, 'op.create_table("product", sa.Column("id", sa.Integer))')
    expected = revisions([product])
    assert REVISION in expected.heads
    assert expected.known == revisions().known | {REVISION}
    async with opened(database_url) as database:
        assert not expected.satisfied_by(await present_heads(database))
        await migrations.upgrade(database, [product])
        assert expected.satisfied_by(await present_heads(database))
        assert "product" in await schema_of(database)


EXPECTED = Revisions(heads=frozenset({"0002"}), known=frozenset({"0001", "0002"}))


@pytest.mark.parametrize(
    ("present", "satisfied"),
    [
        pytest.param({"0002"}, True, id="current"),
        pytest.param(set(), False, id="empty"),
        pytest.param({"0001"}, False, id="one behind"),
        pytest.param({"0003"}, True, id="migrated by a newer version"),
        pytest.param({"0002", "product_0001"}, True, id="current, with an extension that is switched off here"),
        pytest.param({"0001", "product_0001"}, False, id="one behind, with an extension that is switched off here"),
    ],
)
def test_readiness_tells_a_newer_schema_from_an_older_one(present: set[str], satisfied: bool) -> None:
    """S91: during a rolling deployment the older version goes on serving; a pending migration is never overlooked."""
    assert EXPECTED.satisfied_by(frozenset(present)) is satisfied
