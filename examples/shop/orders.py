"""What can be done with orders. It knows no web framework: the unit of work and plain values are enough."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from app.database import Reader, Work
from app.exceptions import ConflictError, NotFoundError
from app.models import User
from shop.models import Order

MOST_ORDERS = 20


class TooManyOrders(ConflictError):
    """One person has as many orders as the shop takes."""

    code = "SHOP_TOO_MANY_ORDERS"
    title = f"You have {MOST_ORDERS} orders already"


async def place_order(work: Work, *, user_id: UUID, article: str, quantity: int) -> Order:
    """Add an order and return it. Raises `TooManyOrders`, or `NotFoundError` when the user has just been deleted.

    The user's row is locked first: of two orders at once the second counts the first.
    """
    if (await work.db.execute(select(User.id).where(User.id == user_id).with_for_update())).first() is None:
        raise NotFoundError("User")
    mine = select(func.count()).select_from(Order).where(Order.user_id == user_id)
    if (await work.db.execute(mine)).scalar_one() >= MOST_ORDERS:
        raise TooManyOrders
    order = Order(user_id=user_id, article=article, quantity=quantity, created_at=work.now)
    work.db.add(order)
    await work.db.flush()
    return order


async def list_orders(read: Reader, *, user_id: UUID | None = None) -> Sequence[Order]:
    """Return the newest hundred orders: of one person, or of everybody."""
    statement = select(Order).order_by(Order.id.desc()).limit(100)
    if user_id:
        statement = statement.where(Order.user_id == user_id)
    return await read.entities(statement)
