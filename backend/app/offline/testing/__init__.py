"""The offline provider for tests, yours and ours: on a socket of its own, with people who sign in and every fault.

As pytest fixtures it stands in `app.offline.testing.fixtures`. Nothing that serves imports any of it.
"""

from app.offline.clients import Client
from app.offline.faults import Fault, Faults, Place
from app.offline.key_pairs import KeyPairs
from app.offline.people import Person
from app.offline.testing.serving import CLIENT_ID, RunningProvider, Site, running_provider, site
from app.offline.testing.visiting import (
    ADA,
    Visitor,
    answer_in,
    http_client,
    request_of,
    sent_to,
    sibling,
    visiting,
)

__all__ = [
    "ADA",
    "CLIENT_ID",
    "Client",
    "Fault",
    "Faults",
    "KeyPairs",
    "Person",
    "Place",
    "RunningProvider",
    "Site",
    "Visitor",
    "answer_in",
    "http_client",
    "request_of",
    "running_provider",
    "sent_to",
    "sibling",
    "site",
    "visiting",
]
