"""The shop's routes, with the same guards, unit of work and errors as ours. Start it with `EXTENSIONS=shop.api`."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends, status
from pydantic import Field

from app.auth.dependencies import Public, ReaderDep, SignedIn, WorkDep, require
from app.exceptions import NotFoundError
from app.problems import problem_responses
from app.schemas.base import RequestModel, ResponseModel
from shop import orders

router = APIRouter(prefix="/shop", tags=["shop"])


class OrderRequest(RequestModel):
    """What somebody wants."""

    article: str = Field(min_length=1, max_length=80)
    quantity: int = Field(ge=1, le=100)


class OrderResponse(ResponseModel):
    """An order."""

    id: UUID
    article: str
    quantity: int
    created_at: datetime


@router.get("/articles", dependencies=[Public])
async def list_articles() -> list[str]:
    """Return what the shop sells, to everybody."""
    return ["door", "key", "lock"]


@router.post(
    "/orders", status_code=status.HTTP_201_CREATED, responses=problem_responses(orders.TooManyOrders, NotFoundError)
)
async def place_order(body: OrderRequest, user: SignedIn, work: WorkDep) -> OrderResponse:
    """Order something for yourself."""
    order = await orders.place_order(work, user_id=user.id, article=body.article, quantity=body.quantity)
    return OrderResponse.model_validate(order)


@router.get("/orders")
async def list_my_orders(user: SignedIn, read: ReaderDep) -> list[OrderResponse]:
    """Return your own orders."""
    return [OrderResponse.model_validate(order) for order in await orders.list_orders(read, user_id=user.id)]


@router.get("/orders/all", dependencies=[Depends(require("orders:read"))])
async def list_all_orders(read: ReaderDep) -> list[OrderResponse]:
    """Return everybody's orders, to those who may read them."""
    return [OrderResponse.model_validate(order) for order in await orders.list_orders(read)]
