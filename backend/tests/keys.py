"""Looks at key pairs in the database, and makes time pass for them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from app.jobs.signing_keys import tend_signing_keys
from app.models import StoredKey
from app.runtime import Runtime
from app.services import signing_keys
from app.services.signing_keys import ListedKey
from tests.accounts import CLIENT
from tests.rows import write


async def stored_keys(runtime: Runtime) -> list[StoredKey]:
    """Return the rows of all keys, oldest first."""
    return list(await runtime.database.read.entities(select(StoredKey).order_by(StoredKey.generation)))


async def states(runtime: Runtime) -> dict[str, str]:
    """Return the state of each key by its name, newest first."""
    keys = await signing_keys.read_keys(runtime.database.read, runtime.settings)
    return {key.dates.kid: key.state.value for key in signing_keys.listed(keys, datetime.now(UTC))}


async def rotate(runtime: Runtime) -> str:
    """Publish a new key as the command does. Return its name."""
    pair = await signing_keys.new_pair(runtime.settings)
    async with runtime.database.begin(CLIENT) as work:
        return (await signing_keys.rotate(work, pair=pair)).dates.kid


async def retire(runtime: Runtime, kid: str) -> ListedKey:
    """Retire a key as the command does."""
    spare = None if runtime.settings.ALGORITHM == "HS256" else await signing_keys.new_pair(runtime.settings)
    async with runtime.database.begin(CLIENT) as work:
        return await signing_keys.retire(work, kid=kid, spare=spare)


async def let_keys_age(runtime: Runtime, by: timedelta) -> None:
    """Move all times of all keys back, as if they were longer ago, and let this process see it."""
    for key in await stored_keys(runtime):
        moved = {"created_at": key.created_at - by, "signs_from": key.signs_from - by}
        await write(runtime, update(StoredKey).where(StoredKey.kid == key.kid).values(**moved))
    await runtime.keys.reload()


async def change_key(runtime: Runtime, kid: str, **values: object) -> None:
    """Change a row behind the application's back, and let this process see it."""
    await write(runtime, update(StoredKey).where(StoredKey.kid == kid).values(**values))
    await runtime.keys.reload()


async def tend(runtime: Runtime) -> None:
    """Run one round of the job."""
    await tend_signing_keys(runtime)
