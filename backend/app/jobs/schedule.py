"""Every job of the server. One that does not stand here is run by nobody."""

from app.jobs.arrivals import PURGE_ARRIVALS
from app.jobs.audit import PURGE_AUDIT
from app.jobs.limits import PURGE_LIMITS
from app.jobs.mail import PURGE_MAIL, SEND_MAIL
from app.jobs.mailed_proofs import PURGE_MAILED_PROOFS
from app.jobs.sessions import PURGE_SESSIONS
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
