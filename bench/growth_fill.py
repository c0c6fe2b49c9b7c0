"""Fills a database as if so many people had come within a year: an account, a session and a line of the audit log each.

Statements over whole sets do it, behind the application's back, because a million sign-ins would take hours.
"""

import hashlib
from uuid import UUID

import asyncpg

from app.auth.devices import device_name
from app.auth.networks import network_of
from bench.processes import HOST

_FIRST = "Ada Alan Barbara Claude Donald Edsger Frances Grace Hedy Ivan Joan John Katherine Leslie Margaret Niklaus Ole"
_LAST = (
    "Allen Boyd Cerf Clarke Diffie Dijkstra Floyd Goldwasser Hamilton Hopper Kay Knuth Lamarr Lamport Liskov Lovelace"
)
_DOMAINS = "example.com example.org example.net mail.example.com post.example.org students.example.net"
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
)

_ID = """CREATE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql AS $$
    SELECT overlay(
        overlay(gen_random_uuid()::text placing substr(hex, 1, 8) || '-' || substr(hex, 9, 4) from 1 for 13)
        placing '7' from 15 for 1)::uuid
    FROM lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') AS hex
$$"""
"""A UUIDv7 as the application makes them."""

_PEOPLE = """CREATE TEMPORARY TABLE people AS
    SELECT pg_temp.id_at(came_at) AS id, came_at, number, first || ' ' || last AS full_name,
        lower(first || '.' || last) || number || '@' || domain AS email
    FROM (
        SELECT number, now() - interval '365 days' * (1 - (number - random()) / $1::int) AS came_at,
            ($2::text[])[1 + floor(random() * cardinality($2))::int] AS first,
            ($3::text[])[1 + floor(random() * cardinality($3))::int] AS last,
            ($4::text[])[1 + floor(random() * cardinality($4))::int] AS domain
        FROM generate_series(1, $1::int) AS number
    ) AS drawn"""

_USERS = """INSERT INTO users (id, email, email_normal, email_verified_at, full_name, search_text, password_hash,
        is_active, role_name, created_at, updated_at)
    SELECT id, email, email, came_at + interval '3 minutes', full_name, lower(email || ' ' || full_name), $1,
        true, 'user', came_at, came_at
    FROM people ORDER BY number"""

_BEGUN = """CREATE TEMPORARY TABLE begun AS
    SELECT pg_temp.id_at(began_at) AS id, user_id, began_at, random() AS chance
    FROM (SELECT id AS user_id, came_at + random() * (now() - came_at) AS began_at FROM people) AS drawn
    ORDER BY began_at"""

_SESSIONS = """INSERT INTO sessions (id, user_id, transport, secret_digest, counter, created_at, authenticated_at, methods,
        refreshed_at, idle_expires_at, expires_at, client_address, user_agent, device, network, last_seen_at, last_address)
    SELECT id, user_id, 'bearer', sha256(sha256(convert_to(id::text, 'UTF8'))), floor(chance * 500)::int,
        began_at, began_at, 'pwd', refreshed_at, refreshed_at + interval '300 days', began_at + interval '700 days',
        $1, ($2::text[])[1 + floor(chance * cardinality($2))::int], $3, $4, now() + interval '1 day', $1
    FROM (SELECT *, now() - chance * least(now() - began_at, interval '7 days') AS refreshed_at FROM begun) AS aged
    ORDER BY began_at"""

_AUDIT = """INSERT INTO audit_events (id, at, kind, outcome, actor_id, target_id, session_id, client_address, user_agent,
        request_id, detail)
    SELECT pg_temp.id_at(began_at), began_at, 'session.created', 'success', user_id, user_id, id,
        '10.' || floor(chance * 256) || '.' || (random() * 255)::int || '.' || (random() * 255)::int,
        ($1::text[])[1 + floor(chance * cardinality($1))::int], replace(id::text, '-', ''),
        '{"methods": ["pwd"], "transport": "bearer", "news": []}'
    FROM begun ORDER BY began_at"""


def secret_of(session_id: UUID) -> bytes:
    """Return the secret of a session that was filled in: it follows from the id, so that its tokens can be made."""
    return hashlib.sha256(str(session_id).encode()).digest()


async def fill(url: str, *, number: int, password_hash: str) -> None:
    """Add so many people. Everybody has the same password, so that everybody can sign in.

    To the server, all have signed in from this machine and were seen a moment ago: so the load writes down neither a
    new place nor a use, in either database.
    """
    connection = await asyncpg.connect(url, ssl=False)
    try:
        # The rows are right by the way they are made: looking up each one's account and role would take minutes.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_ID)
        await connection.execute(_PEOPLE, number, _FIRST.split(), _LAST.split(), _DOMAINS.split())
        await connection.execute(_USERS, password_hash)
        await connection.execute(_BEGUN)
        await connection.execute(_SESSIONS, HOST, list(_AGENTS), device_name(None), network_of(HOST))
        await connection.execute(_AUDIT, list(_AGENTS))
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
