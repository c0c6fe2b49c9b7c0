"""What one process holds for as long as it serves: settings, database, hashing threads, keys."""

from dataclasses import dataclass

from app.auth.passwords.hashing import PasswordHasher
from app.auth.passwords.pool import HashingPool
from app.config import Settings
from app.database import Database
from app.services.tokens import TokenIssuer


@dataclass(frozen=True)
class Runtime:
    """Built once by a door, handed to guards, routes and commands."""

    settings: Settings
    database: Database
    hashing: HashingPool
    tokens: TokenIssuer

    @classmethod
    def build(cls, settings: Settings) -> "Runtime":
        """Prepare everything. Nothing connects yet."""
        hasher = PasswordHasher(memory_kib=settings.ARGON2_MEMORY_KIB, iterations=settings.ARGON2_ITERATIONS)
        return cls(
            settings=settings,
            database=Database(settings),
            hashing=HashingPool(hasher, threads=settings.HASHING_THREADS, queue=settings.HASHING_QUEUE),
            tokens=TokenIssuer.from_settings(settings),
        )

    async def close(self) -> None:
        """Give back threads and connections."""
        self.hashing.close()
        await self.database.close()
