"""An extension that has a say in sign-ins, as a product could write it: gates that ask, and an observer that is told.

What each address meets stands in the address itself: `barred…` is kept out, and so on.
"""

from fastapi import APIRouter
from sqlalchemy import select, update

from app.database import Work
from app.exceptions import ConflictError, Refusal
from app.models import Session, User
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import SignInElsewhere

NAME = __name__
router = APIRouter(prefix="/gatehouse")


class DuesUnpaid(ConflictError):
    """The product keeps somebody out, and leaves no trace."""

    code = "GATEHOUSE_DUES_UNPAID"
    title = "Pay your dues first"


class Barred(Refusal):
    """The product keeps somebody out, and remembers that they came."""

    code = "GATEHOUSE_BARRED"
    status_code = 403
    title = "You are barred"


class BellBroken(RuntimeError):
    """Nobody planned for this."""


async def _note(work: Work, user_id: object, text: str) -> None:
    noted = User.search_text + f" {text}"
    await work.db.execute(update(User).where(User.id == user_id).values(search_text=noted))


async def ask_the_porter(work: Work, attempt: Attempt) -> None:
    """Note everybody who comes by; keep out who is barred, with the note."""
    email = (await work.db.execute(select(User.email).where(User.id == attempt.user_id))).scalar_one()
    await _note(work, attempt.user_id, f"porter:{','.join(attempt.methods)}")
    if email.startswith("barred"):
        raise Barred


async def ask_the_treasurer(work: Work, attempt: Attempt) -> None:
    """Note everybody who comes by; keep out who has not paid, and forget the notes."""
    email = (await work.db.execute(select(User.email).where(User.id == attempt.user_id))).scalar_one()
    await _note(work, attempt.user_id, "treasurer")
    if email.startswith("unpaid"):
        raise DuesUnpaid


async def ring_the_bell(work: Work, elsewhere: SignInElsewhere) -> None:
    """Note what is new about a sign-in, which stands in the database by now."""
    session = elsewhere.session
    stored = (await work.db.execute(select(Session.device).where(Session.id == session.id))).scalar_one()
    user = (await work.db.execute(select(User.email).where(User.id == session.user_id))).scalar_one()
    await _note(work, session.user_id, f"bell:{'+'.join(elsewhere.news)}:{stored}")
    if user.startswith("broken"):
        raise BellBroken
    if user.startswith("refused"):
        raise Barred


sign_in_gates = [ask_the_porter, ask_the_treasurer]
sign_in_observers = (ring_the_bell,)
