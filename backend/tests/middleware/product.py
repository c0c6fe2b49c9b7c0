"""An extension as a product could write it, mishaps included. Tests start it with EXTENSIONS."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.exceptions import HTTPException
from fastapi.responses import StreamingResponse

from app.auth.dependencies import Public
from app.exceptions import ConflictError
from app.schemas.base import RequestModel

NAME = __name__
SECRET_DETAIL = "canary7Zq1Xw in /srv/product/billing.py at SELECT * FROM cards"

TEXT = "Come back when you have paid"

router = APIRouter(prefix="/product", dependencies=[Public])


class BillingBackendExploded(RuntimeError):
    """Nobody planned for this."""


class StockEmpty(ConflictError):
    """The product's own refusal, with a code of its own."""

    code = "PRODUCT_STOCK_EMPTY"
    title = "Nothing of this is left"


class Wish(RequestModel):
    """Anything in JSON."""

    text: str | None = None
    number: float | None = None


@router.post("/wishes")
async def wish(body: Wish) -> Wish:
    """Return what was understood."""
    return body


@router.get("/explosion")
async def explode() -> None:
    """Fail in a way that nobody planned for."""
    raise BillingBackendExploded(SECRET_DETAIL)


@router.get("/half-an-answer")
async def half_an_answer() -> StreamingResponse:
    """Fail after the answer has begun."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise BillingBackendExploded(SECRET_DETAIL)

    return StreamingResponse(pieces())


@router.get("/refusal")
async def refuse() -> None:
    """Refuse with an exception of the product's own."""
    raise StockEmpty


@router.get("/status/{number}")
async def answer_with_status(number: int) -> None:
    """Refuse in the framework's way."""
    raise HTTPException(number, headers={"Retry-After": "7", "X-Product": "yes"})


@router.get("/status/{number}/text")
async def answer_with_text(number: int) -> None:
    """Refuse in the framework's way, with a text for people."""
    raise HTTPException(number, detail=TEXT)


@router.get("/status/{number}/object")
async def answer_with_object(number: int) -> None:
    """Refuse with what only some frameworks understand."""
    raise HTTPException(number, detail={"inside": SECRET_DETAIL})
