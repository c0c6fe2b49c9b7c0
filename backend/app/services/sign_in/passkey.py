"""Sign-in with a passkey. Nobody is asked for an address, so nobody learns whose address has one."""

from app.auth.passkeys.ceremonies import CeremonyKind
from app.database import Work
from app.models import AuditKind
from app.services.passkeys.ceremonies import Purpose
from app.services.passkeys.proof import Brought, prove_passkey
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import SignInContext, complete


async def sign_in_with_passkey(work: Work, context: SignInContext, *, brought: Brought) -> Issued | IssuedCookie:
    """Begin a session for whoever holds a passkey of an account.

    One that verified its user is two factors in one; another one is a first factor, which the gate treats as any. Raises
    `PasskeyRefused`, `InvalidCredentials` for a disabled account, and what `complete` raises.
    """
    purpose = Purpose(CeremonyKind.SIGN_IN)
    proved = await prove_passkey(work, purpose=purpose, brought=brought, kind=AuditKind.SIGN_IN_FAILED)
    return await complete(work, context, Attempt(proved.user_id, proved.methods, authenticated_at=work.now))
