"""Every job of the server. One that does not stand here is run by nobody."""

from app.jobs.mail import SEND_MAIL
from app.jobs.purges import (
    PURGE_ARRIVALS,
    PURGE_AUDIT,
    PURGE_LIMITS,
    PURGE_MAIL,
    PURGE_MAILED_PROOFS,
    PURGE_SESSIONS,
)
from app.jobs.signing_keys import SIGNING_KEYS

JOBS = (
    SIGNING_KEYS,
    PURGE_SESSIONS,
    PURGE_ARRIVALS,
    PURGE_AUDIT,
    PURGE_LIMITS,
    SEND_MAIL,
    PURGE_MAIL,
    PURGE_MAILED_PROOFS,
)
