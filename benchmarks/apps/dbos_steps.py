"""The handlers for DBOS, behind the same paths, with everything in SQLite.

An invocation is a workflow and a step is a step. DBOS has no keyed objects; the nearest that keeps
the promise of the counter (each call counts once, whatever dies) is a workflow with one
transaction step on a table in an SQLite database, which DBOS commits together with the mark that
the step is done. Handlers are plain functions on threads: here they cost less than coroutines.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy
from dbos import DBOS, SQLAlchemyDatasource
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(os.environ["BENCHMARK_FOLDER"])

DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{FOLDER / 'system.sqlite'}",
        "log_level": "ERROR",
    }
)
counters = SQLAlchemyDatasource.create(f"sqlite:///{FOLDER / 'counters.sqlite'}")

CREATE = sqlalchemy.text("CREATE TABLE counters (key TEXT PRIMARY KEY, value INTEGER NOT NULL)")
ADD = sqlalchemy.text(
    "INSERT INTO counters (key, value) VALUES (:key, :amount) "
    "ON CONFLICT (key) DO UPDATE SET value = value + :amount RETURNING value"
)


@DBOS.step()
def one() -> int:
    """Do what a step does, as cheaply as possible."""
    return 1


@DBOS.workflow()
def empty() -> None:
    """Do nothing: the cost of an invocation alone."""


@DBOS.workflow()
def steps() -> int:
    """Run three durable steps in turn."""
    return one() + one() + one()


@counters.transaction
def add_in_table(key: str, amount: int) -> int:
    """Add to the counter of a key, in one transaction with the step's mark."""
    row = counters.sql_session().execute(ADD, {"key": key, "amount": amount})
    return int(row.scalar_one())


@DBOS.workflow()
def add(key: str, amount: int) -> int:
    """Add to the counter of a key."""
    return add_in_table(key, amount)


async def on_empty(_request: Request) -> Response:
    """Run ``empty``."""
    await run_in_threadpool(empty)
    return Response()


async def on_steps(_request: Request) -> Response:
    """Run ``steps``."""
    total = await run_in_threadpool(steps)
    return Response(str(total), media_type="application/json")


async def on_add(request: Request) -> Response:
    """Run ``add``."""
    key, amount = request.path_params["key"], await request.json()
    total = await run_in_threadpool(add, key, amount)
    return Response(str(total), media_type="application/json")


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Launch DBOS while the application runs."""
    with counters.engine.begin() as connection:
        connection.execute(CREATE)
    DBOS.launch()
    yield
    DBOS.destroy()


app = Starlette(
    routes=[
        Route("/Bench/empty", on_empty, methods=["POST"]),
        Route("/Bench/steps", on_steps, methods=["POST"]),
        Route("/Counter/{key}/add", on_add, methods=["POST"]),
    ],
    lifespan=lifespan,
)
