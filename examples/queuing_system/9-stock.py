"""Task 9: products in stock, and reservations that never promise more than there is. Listens on port 1245."""
# ruff: noqa: E402

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at any time, also during the imports

import contextlib
import functools
import itertools
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import msgspec
from serve import options, serve
from service import service
from shared_redis import SharedRedis, Together
from starlette.requests import Request


class Product(msgspec.Struct, rename="camel"):
    item_id: int
    item_name: str
    price: int
    initial_available_quantity: int


class ProductNow(Product):
    current_quantity: int


class ProductNotFound(msgspec.Struct):
    status: Literal["Product not found"]


NOT_FOUND = ProductNotFound("Product not found")


class Reservation(msgspec.Struct, rename="camel"):
    status: Literal["Reservation confirmed", "Not enough stock available"]
    item_id: int


list_products = [
    Product(1, "Suitcase 250", 50, 4),
    Product(2, "Suitcase 450", 100, 10),
    Product(3, "Suitcase 650", 350, 2),
    Product(4, "Suitcase 1050", 550, 5),
]

redis = SharedRedis()

OF_THIS_PROCESS, numbers = uuid.uuid4().hex, itertools.count()  # keys of those who send none

# Looking and reserving are one step of the server: between two steps others could take the last piece as well.
# The keys of those who were given one are kept, so that who asks again because no answer came gets no second one.
# Many ask in one call, in the order in which they came: a call for each would cost the server more.
RESERVE = """
local left = tonumber(ARGV[1]) - tonumber(redis.call('GET', KEYS[1]) or 0)
local before = redis.call('HMGET', KEYS[2], unpack(ARGV, 2))
local answers, given, now = {}, {}, {}
for at = 2, #ARGV do
  local key = ARGV[at]
  if not before[at - 1] and not now[key] and left > 0 then
    left, now[key] = left - 1, true
    given[#given + 1] = key
    given[#given + 1] = 1
  end
  answers[at - 1] = (before[at - 1] or now[key]) and 1 or 0
end
if #given > 0 then
  redis.call('HSET', KEYS[2], unpack(given))
  redis.call('INCRBY', KEYS[1], #given / 2)
end
return answers
"""


def get_item_by_id(id: int | str) -> Product | None:
    return next((product for product in list_products if str(product.item_id) == str(id)), None)


@functools.cache
def reserving(item_id: int, stock: int) -> Together:
    """What takes the reservations of a product to the server."""
    of_item = f"item.{item_id}"
    return Together(redis, lambda keys: ("EVAL", RESERVE, 2, of_item, f"{of_item}.keys", stock, *keys))


async def reserve_stock_by_id(item_id: int, stock: int, key: str | None = None) -> bool:
    """Reserve one of the `stock` pieces of a product; False when all are reserved. A key counts once."""
    return bool(await reserving(item_id, stock).ask(key or f"{OF_THIS_PROCESS}.{next(numbers)}"))


async def get_current_reserved_stock_by_id(item_id: int) -> int:
    return int(await redis.get(f"item.{item_id}") or 0)


# ---- what is answered


async def show_products(_: Request) -> list[Product]:
    """All products."""
    return list_products


async def show_product(request: Request) -> ProductNow | ProductNotFound:
    """A product, and how many pieces are left."""
    product = get_item_by_id(request.path_params["itemId"])
    if product is None:
        return NOT_FOUND
    left = product.initial_available_quantity - await get_current_reserved_stock_by_id(product.item_id)
    return ProductNow(**msgspec.structs.asdict(product), current_quantity=left)


async def reserve_product(request: Request, key: str | None) -> Reservation | ProductNotFound:
    """Reserve one piece of a product."""
    product = get_item_by_id(request.path_params["itemId"])
    if product is None:
        return NOT_FOUND
    confirmed = await reserve_stock_by_id(product.item_id, product.initial_available_quantity, key)
    return Reservation("Reservation confirmed" if confirmed else "Not enough stock available", product.item_id)


@contextlib.asynccontextmanager
async def life(_: object) -> AsyncIterator[None]:
    yield
    await redis.close()


app = service(
    "Stock",
    {
        "GET /list_products": show_products,
        "GET /list_products/{itemId}": show_product,
        "GET /reserve_product/{itemId}": reserve_product,
    },
    page=Path(__file__).with_suffix(".html"),
    lifespan=life,
)

if __name__ == "__main__":
    chosen = options(__doc__, port=1245).parse_args()
    serve(app, host=chosen.host, port=chosen.port)
