"""The benchmark's routes with FastAPI, served by uvicorn in a separate environment.

    BENCH_DSN=… BENCH_SECRET=… BENCH_POOL=8 python bench/baselines/fastapi_app.py PORT LOOP

LOOP is asyncio or uvloop. Requests get an id. Answers get the gateway's headers, by plain ASGI
because it costs the least. Answers are pydantic models. There is no limit, no log and no metric.
A deduction is one interactive transaction of ``double_entry.py``; ids of accounts are remembered.
"""
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownParameterType=false

import os
import secrets
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from bench.baselines.double_entry import FIRST_PLATFORM, post

SECRET = os.environ["BENCH_SECRET"]
BALANCE = "SELECT balance, held FROM accounts WHERE name = 'user:' || $1::text"
ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
ACCOUNT = "SELECT id FROM double_entry.accounts WHERE name = 'user:' || $1::text"
bearer = HTTPBearer()
accounts: dict[UUID, int] = {}


class Health(BaseModel):
    status: str


class Known(BaseModel):
    user_id: UUID


class Balance(BaseModel):
    balance: str
    user_id: UUID
    held: str
    available: str


class Deduction(BaseModel):
    amount: str
    reference_id: str
    description: str = ""


class Entry(BaseModel):
    amount: str
    direction: str
    source: str
    reference_id: str
    balance_after: str
    description: str


class Headers:
    """ASGI middleware that adds the headers to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                name = secrets.token_hex(8).encode()
                message["headers"] = [*message["headers"], *ALWAYS, (b"x-request-id", name)]
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)


async def caller(token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> UUID:
    try:
        claims = jwt.decode(
            token.credentials, SECRET, ["HS256"], audience="rendertrust", issuer="rendertrust"
        )
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Invalid or expired token") from error
    return UUID(claims["sub"])


Caller = Annotated[UUID, Depends(caller)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    size = int(os.environ["BENCH_POOL"])
    async with asyncpg.create_pool(
        os.environ["BENCH_DSN"], min_size=size, max_size=size
    ) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(Headers)


def credits_of(units: int) -> str:
    return f"{units // 10_000}.{units % 10_000:04d}"


@app.get("/health")
async def health() -> Health:
    return Health(status="healthy")


@app.get("/api/v1/bench/known")
async def known(user: Caller) -> Known:
    return Known(user_id=user)


@app.get("/api/v1/credits/balance")
async def balance(request: Request, user: Caller) -> Balance:
    row = await request.app.state.pool.fetchrow(BALANCE, str(user))
    units, held = (0, 0) if row is None else row
    return Balance(
        balance=credits_of(units),
        user_id=user,
        held=credits_of(held),
        available=credits_of(units - held),
    )


@app.post("/api/v1/credits/deduct")
async def deduct(request: Request, user: Caller, body: Deduction) -> Entry:
    """Deduct one unit, the only amount that the benchmark sends."""
    async with request.app.state.pool.acquire() as connection:
        if user not in accounts:
            accounts[user] = await connection.fetchval(ACCOUNT, str(user))
        balance = await post(connection, accounts[user], FIRST_PLATFORM, body.reference_id)
    if balance is None:
        raise HTTPException(409, "The reference_id was used")
    return Entry(
        amount=body.amount,
        direction="DEBIT",
        source="ADJUSTMENT",
        reference_id=body.reference_id,
        balance_after=credits_of(balance),
        description=body.description,
    )


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop=sys.argv[2],
        http="httptools",
        access_log=False,
        log_level="warning",
    )
