"""A real OpenID provider that plays Google on a developer's machine, and in tests. It is refused in production.

Everything it knows stands in the memory of one process, bounded: development runs one worker, and a restart forgets all
but who people are, because a person's subject follows from the address alone.
"""
