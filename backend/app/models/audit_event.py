"""What was done, or refused, that somebody may have to account for."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.auth.identifiers import new_id
from app.database import Base


class AuditKind(StrEnum):
    """What happened, as `subject.past_verb`. The values are stable, and the same that the log uses."""

    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_OVERTAKEN = "sign_in.overtaken"
    SIGN_IN_CODE_REQUESTED = "sign_in.code_requested"
    SIGN_IN_HELD = "sign_in.held"
    """The first factor is right, and `stage` says what is missing."""
    SIGN_IN_CONTINUED = "sign_in.continued"
    """The second factor was proved, or refused; `method` says which."""
    SESSION_CREATED = "session.created"
    SESSION_REAUTHENTICATED = "session.reauthenticated"
    SESSION_PROOF_REFUSED = "session.proof_refused"
    """A second factor was asked for once more, and was not right."""
    SESSION_REFRESH_REFUSED = "session.refresh_refused"
    SESSION_ENDED = "session.ended"
    SESSION_END_REFUSED = "session.end_refused"
    USER_REGISTERED = "user.registered"
    USER_REGISTRATION_REFUSED = "user.registration_refused"
    USER_VERIFICATION_REQUESTED = "user.verification_requested"
    USER_ADDRESS_PROVED = "user.address_proved"
    """`kept` says whether what was put there before has stayed."""
    USER_ADDRESS_PROOF_REFUSED = "user.address_proof_refused"
    USER_INVITED = "user.invited"
    USER_INVITATION_REVOKED = "user.invitation_revoked"
    USER_INVITATION_ACCEPTED = "user.invitation_accepted"
    USER_INVITATION_REFUSED = "user.invitation_refused"
    USER_PROFILE_CHANGED = "user.profile_changed"
    USER_PASSWORD_CHANGED = "user.password_changed"
    USER_PASSWORD_REFUSED = "user.password_refused"
    USER_PASSWORD_RESET_REQUESTED = "user.password_reset_requested"
    USER_PASSWORD_RESET = "user.password_reset"
    USER_PASSWORD_RESET_REFUSED = "user.password_reset_refused"
    USER_ADDRESS_CHANGE_REQUESTED = "user.address_change_requested"
    USER_ADDRESS_CHANGED = "user.address_changed"
    USER_ADDRESS_CHANGE_REFUSED = "user.address_change_refused"
    USER_CHANGE_UNDONE = "user.change_undone"
    """"This wasn't me": `because` says of what."""
    USER_UNDO_REFUSED = "user.undo_refused"
    USER_GAVE_WAY = "user.gave_way"
    """An account that had never proved its address lost it to the one that it had been taken from."""
    FACTOR_ADDED = "factor.added"
    FACTOR_REFUSED = "factor.refused"
    """One that was to be added, or removed."""
    FACTOR_REMOVED = "factor.removed"
    """Of an app that another one has replaced, `replaced_by` names that one."""
    FACTOR_RESTORED = "factor.restored"
    """An app that another one had replaced, until its user said that it was not them."""
    FACTORS_RESET = "factors.reset"
    """An administrator has taken away every second factor of an account; `reason` says why."""
    FACTORS_RESET_REFUSED = "factors.reset_refused"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_SPENT = "recovery_code.spent"
    PASSKEY_RENAMED = "passkey.renamed"
    PASSKEY_COUNTER_FELL = "passkey.counter_fell"
    """A passkey's counter did not grow: there may be a copy of it."""
    DEVICE_REMEMBERED = "device.remembered"
    DEVICE_FORGOTTEN = "device.forgotten"
    USER_DELETED = "user.deleted"
    USER_DELETION_REFUSED = "user.deletion_refused"
    USER_CHANGED = "user.changed"
    USER_CHANGE_REFUSED = "user.change_refused"
    USER_PROMOTED = "user.promoted"
    SETUP_REFUSED = "setup.refused"
    PERMISSION_DENIED = "permission.denied"
    FEDERATION_SIGNED_IN = "federation.signed_in"
    FEDERATION_LINKED = "federation.linked"
    FEDERATION_UNLINKED = "federation.unlinked"
    FEDERATION_REFUSED = "federation.refused"
    FEDERATION_ADDRESS_PROVED = "federation.address_proved"
    FEDERATION_ACCOUNT_GAVE_WAY = "federation.unproved_account_gave_way"
    PROVIDER_TOKENS_KEPT = "provider_tokens.kept"
    """The user has agreed that we do something at the provider; `scopes` says what."""
    PROVIDER_TOKENS_WITHDRAWN = "provider_tokens.withdrawn"
    SIGNING_KEY_ADDED = "signing_key.added"
    SIGNING_KEY_SEALED_ANEW = "signing_key.sealed_anew"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    LIMIT_REACHED = "limit.reached"
    """Somebody tries too often. Told once a minute of each bucket in each worker; the cause names the limit."""
    MAIL_HELD_BACK = "mail.held_back"
    """As many to one address as its cap allows, or no address that mail could be sent to."""
    AUDIT_EXPORTED = "audit.exported"


class Outcome(StrEnum):
    """What became of it."""

    SUCCESS = "success"
    REFUSED = "refused"
    """We said no."""
    FAILURE = "failure"
    """Nobody said no: somebody else's server, or ours, could not."""


REFUSED = text("outcome <> 'success'")
"""As a text, so that PostgreSQL knows it again as the condition of the index."""


class AuditEvent(Base):
    """One line of the audit log. It points at nothing by a foreign key: a trace outlives the account."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_target_id_id", "target_id", "id"),
        Index("ix_audit_events_actor_id_id", "actor_id", "id"),
        Index("ix_audit_events_kind_id", "kind", "id"),
        Index("ix_audit_events_client_address_id", "client_address", "id"),
        Index(
            "ix_audit_events_refused",
            "client_address",
            "kind",
            "id",
            postgresql_where=REFUSED,
            sqlite_where=REFUSED,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    """Holds the time as well, so that the primary key alone finds and deletes what is of a certain age."""
    at: Mapped[datetime]
    """The time of `id`."""
    kind: Mapped[str] = mapped_column(String(60))
    outcome: Mapped[str] = mapped_column(String(10))
    cause: Mapped[str | None] = mapped_column(String(100))
    """Why, as a stable word of ours: the code of a refusal, the cause of an end, a rule."""
    actor_id: Mapped[UUID | None]
    """The account that it was done as: signed in, or shown by what was mailed to it. None: nobody had shown as much."""
    subject: Mapped[str | None] = mapped_column(String(254))
    """The address that somebody typed, or that a mail was for: masked."""
    target_id: Mapped[UUID | None]
    """The account that it was done to, or aimed at."""
    session_id: Mapped[UUID | None]
    client_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(400))
    request_id: Mapped[str] = mapped_column(String(64))
    detail: Mapped[Mapping[str, object] | None] = mapped_column(JSON(none_as_null=True))
    """What the kind leaves open: a few short texts and numbers, never a secret."""
