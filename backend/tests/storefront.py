"""An extension as a product could write it: one route for each method, and one that asks for a fresh proof."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import update

from app.auth.actor import CurrentUser
from app.auth.dependencies import WorkDep, fresh, require
from app.models import User

NAME = __name__
UNSAFE_METHODS = ("POST", "PUT", "PATCH", "DELETE", "TRACE")
ORDERS = "/storefront/orders"
PAYOUTS = "/storefront/payouts"
TRACE = "changed by the storefront"
"""The name of whoever has changed something."""

router = APIRouter(prefix="/storefront")
Reading = Annotated[CurrentUser, Depends(require("users:read"))]


@router.get("/orders")
async def list_orders(user: Reading) -> str:
    """Say who is asking."""
    return user.email


async def change_orders(user: Reading, work: WorkDep) -> str:
    """Leave a trace in the caller's own row."""
    await work.db.execute(update(User).where(User.id == user.id).values(full_name=TRACE))
    return user.email


for method in UNSAFE_METHODS:
    router.add_api_route("/orders", change_orders, methods=[method])


@router.post("/payouts")
async def pay_out(user: Annotated[CurrentUser, Depends(fresh(minutes=5))]) -> str:
    """Do what only a fresh proof allows."""
    return user.email
