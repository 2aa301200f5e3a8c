"""Plain aiohttp application: ``/health`` is a bare handler, the other routes check a token.

    BENCH_DSN=… BENCH_SECRET=… BENCH_POOL=8 python bench/baselines/bare_aiohttp.py PORT

There is no middleware, no limit, no log and no metric.
"""

import os
import sys
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import jwt
import orjson
from aiohttp import web

SECRET = os.environ["BENCH_SECRET"]
POOL = web.AppKey("pool", asyncpg.Pool)
BALANCE = "SELECT balance, held FROM accounts WHERE name = 'user:' || $1::text"


def answered(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


def caller(request: web.Request) -> str:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, SECRET, ["HS256"], audience="rendertrust", issuer="rendertrust")
    except jwt.InvalidTokenError as error:
        raise web.HTTPUnauthorized from error
    return str(claims["sub"])


def credits_of(units: int) -> str:
    return f"{units // 10_000}.{units % 10_000:04d}"


async def health(request: web.Request) -> web.Response:
    return answered({"status": "healthy"})


async def known(request: web.Request) -> web.Response:
    return answered({"user_id": caller(request)})


async def balance(request: web.Request) -> web.Response:
    user = caller(request)
    row = await request.app[POOL].fetchrow(BALANCE, user)
    units, held = (0, 0) if row is None else row
    return answered(
        {
            "balance": credits_of(units),
            "user_id": user,
            "held": credits_of(held),
            "available": credits_of(units - held),
        }
    )


async def pool(site: web.Application) -> AsyncGenerator[None]:
    size = int(os.environ["BENCH_POOL"])
    async with asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=size, max_size=size) as site[
        POOL
    ]:
        yield


def main() -> None:
    site = web.Application()
    site.cleanup_ctx.append(pool)
    site.router.add_get("/health", health)
    site.router.add_get("/api/v1/bench/known", known)
    site.router.add_get("/api/v1/credits/balance", balance)
    web.run_app(site, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
