"""The provider's key pairs, made when the first one is asked for, because that takes a second."""

import threading

from anyio import to_thread

from app.auth.keys import SigningKey, generate_key_pair


class KeyPairs:
    """A first key pair, and one to roll over to. Providers may share them, from different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pairs: list[SigningKey] = []

    async def first(self) -> SigningKey:
        """Return the key pair that signs."""
        return await self._pair(0)

    async def second(self) -> SigningKey:
        """Return the key pair that signs after the first one has been given up."""
        return await self._pair(1)

    async def _pair(self, number: int) -> SigningKey:
        if number < len(self._pairs):
            return self._pairs[number]
        return await to_thread.run_sync(self._make, number)

    def _make(self, number: int) -> SigningKey:
        with self._lock:
            while len(self._pairs) <= number:
                self._pairs.append(generate_key_pair("RS256"))
            return self._pairs[number]
