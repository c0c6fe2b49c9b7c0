"""FastAPI Users as its documentation sets it up; run as a program, this makes the tables.

Each comment and docstring in quotation marks names the page of FastAPI Users' documentation that a setting is from. This
runs in a virtual environment of its own, with `requirements.txt` beside it.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.authentication.strategy.db import DatabaseStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users_db_sqlalchemy.access_token import SQLAlchemyAccessTokenDatabase, SQLAlchemyBaseAccessTokenTableUUID
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET = os.environ["SECRET"]
# "Strategies: Database" and "Strategies: JWT" have the same.
LIFETIME_SECONDS = 3600
# "Password hash": without an argument it is pwdlib's Argon2id with 64 MiB, t=3, p=4. `equal` is Ostiary's default.
EQUAL = Argon2Hasher(time_cost=2, memory_cost=19456, parallelism=1)
PASSWORDS = PasswordHelper(PasswordHash((EQUAL,))) if os.environ["HASHING"] == "equal" else PasswordHelper()
# "Databases: SQLAlchemy". As many connections as Ostiary keeps: SQLAlchemy's default keeps five, and under load opens and
# closes ten more again and again, which was a tenth slower.
engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=10, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The base of "Databases: SQLAlchemy"."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """The account of "Databases: SQLAlchemy"."""


class AccessToken(SQLAlchemyBaseAccessTokenTableUUID, Base):
    """The session of "Strategies: Database"."""


class UserRead(schemas.BaseUser[UUID]):
    """What "Schemas" answers."""


class UserCreate(schemas.BaseUserCreate):
    """What "Schemas" takes to register."""


class UserUpdate(schemas.BaseUserUpdate):
    """What "Schemas" takes to change an account."""


class UserManager(UUIDIDMixin, BaseUserManager[User, UUID]):
    """The one of "UserManager"."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_session() -> AsyncIterator[AsyncSession]:
    """Yield the session of "Databases: SQLAlchemy"; a request has one."""
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_user_manager(session: Session) -> AsyncIterator[UserManager]:
    """Yield the manager of "UserManager", with the hashing of "Password hash"."""
    yield UserManager(SQLAlchemyUserDatabase(session, User), PASSWORDS)


def get_database_strategy(session: Session) -> Any:
    """Return the strategy of "Strategies: Database": each session is a row, and ends when that is deleted."""
    return DatabaseStrategy(SQLAlchemyAccessTokenDatabase(session, AccessToken), lifetime_seconds=LIFETIME_SECONDS)


def get_jwt_strategy() -> Any:
    """Return the strategy of "Strategies: JWT": a token is good until it expires."""
    return JWTStrategy(secret=SECRET, lifetime_seconds=LIFETIME_SECONDS)


async def make_tables() -> None:
    """Make the tables as "Databases: SQLAlchemy" does."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


backend = AuthenticationBackend(
    name="bearer",
    transport=BearerTransport(tokenUrl="auth/login"),  # "Transports: Bearer"
    get_strategy=get_database_strategy if os.environ["SESSIONS"] == "database" else get_jwt_strategy,
)
users = FastAPIUsers[User, UUID](get_user_manager, [backend])
# FastAPI's own telemetry is off, as Ostiary's is: a tenth faster.
app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False})
app.include_router(users.get_auth_router(backend), prefix="/auth")  # "Routers: Auth router"
app.include_router(users.get_register_router(UserRead, UserCreate), prefix="/auth")  # "Routers: Register router"
app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")  # "Routers: Users router"


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer that the server runs, as FastAPI Users itself does not."""
    return {"status": "healthy"}


if __name__ == "__main__":
    asyncio.run(make_tables())
