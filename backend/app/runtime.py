"""What one process holds for as long as it serves: settings, database, hashing threads, keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.auth.oidc.provider import Provider
from app.auth.passwords.hashing import PasswordHasher
from app.auth.passwords.pool import HashingPool
from app.config import Settings
from app.database import Database
from app.limits.limiter import Limiter
from app.provider_tokens import ProviderTokens
from app.services.callers import Callers
from app.services.federation.relying_party import RelyingParty
from app.services.key_store import KeyStore
from app.services.sign_in.stages import SignInRules
from app.services.tokens import TokenIssuer
from app.uses import UseNotes


@dataclass(frozen=True)
class Runtime:
    """Built once by a door, handed to guards, routes and commands."""

    settings: Settings
    database: Database
    hashing: HashingPool
    keys: KeyStore
    tokens: TokenIssuer
    callers: Callers
    uses: UseNotes
    sign_in: SignInRules
    federation: RelyingParty
    provider_tokens: ProviderTokens
    limiter: Limiter

    @classmethod
    def build(
        cls, settings: Settings, *, sign_in: SignInRules | None = None, providers: Sequence[Provider] = ()
    ) -> "Runtime":
        """Prepare everything. Nothing connects yet."""
        hasher = PasswordHasher(memory_kib=settings.ARGON2_MEMORY_KIB, iterations=settings.ARGON2_ITERATIONS)
        database = Database(settings)
        keys = KeyStore(settings, database.identify)
        federation = RelyingParty.build(settings, providers)
        return cls(
            settings=settings,
            database=database,
            hashing=HashingPool(
                hasher,
                threads=settings.HASHING_THREADS,
                queue=settings.HASHING_QUEUE,
                wait_seconds=settings.HASHING_WAIT_SECONDS,
            ),
            keys=keys,
            tokens=TokenIssuer(settings, keys),
            callers=Callers(database, settings),
            uses=UseNotes(database),
            sign_in=sign_in or SignInRules(),
            federation=federation,
            provider_tokens=ProviderTokens(database, federation),
            limiter=Limiter.build(settings, database),
        )

    async def close(self) -> None:
        """Give back threads and connections."""
        self.hashing.close()
        await self.federation.close()
        await self.callers.close()
        await self.uses.settle()
        await self.keys.settle()
        await self.limiter.close()
        await self.database.close()
