"""The tables, one in each file. Importing this package makes all of them known to `Base.metadata`."""

from app.models.audit_event import AuditEvent, AuditKind, Outcome
from app.models.identity import Identity
from app.models.job_run import JobRun
from app.models.limit_bucket import LimitBucket
from app.models.mailed_proof import MailedProof, Purpose
from app.models.outgoing_mail import OutgoingMail
from app.models.passkey import Passkey
from app.models.pending_sign_in import PendingSignIn
from app.models.provider_token import ProviderToken
from app.models.recovery_code import RecoveryCode
from app.models.remembered_device import RememberedDevice
from app.models.role import Role, RolePermission
from app.models.session import EndCause, Session
from app.models.session_event import SessionEvent, SessionEventKind
from app.models.sign_in_code import SignInCode
from app.models.signing_key import StoredKey
from app.models.spent_ceremony import SpentCeremony
from app.models.spent_flow import SpentFlow
from app.models.totp_authenticator import TotpAuthenticator
from app.models.user import User

__all__ = [
    "AuditEvent",
    "AuditKind",
    "EndCause",
    "Identity",
    "JobRun",
    "LimitBucket",
    "MailedProof",
    "Outcome",
    "OutgoingMail",
    "Passkey",
    "PendingSignIn",
    "ProviderToken",
    "Purpose",
    "RecoveryCode",
    "RememberedDevice",
    "Role",
    "RolePermission",
    "Session",
    "SessionEvent",
    "SessionEventKind",
    "SignInCode",
    "SpentCeremony",
    "SpentFlow",
    "StoredKey",
    "TotpAuthenticator",
    "User",
]
