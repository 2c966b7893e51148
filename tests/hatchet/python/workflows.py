"""tests/hatchet/python/workflows: what the workers of this program do; see ts/workflows.js.

A task leaves a line in the file that its input names each time it begins. Half of them are plain
functions, which the SDK runs in threads, half are coroutines.
"""
import asyncio
import json
import os
import pathlib
import time
from datetime import timedelta

from hatchet_sdk import (Context, DurableContext, EmptyModel, Hatchet, NonRetryableException,
                         UserEventCondition)
from hatchet_sdk.runnables.eviction import EvictionPolicy
from pydantic import BaseModel

hatchet = Hatchet()


class Input(BaseModel):
    file: str = ""
    gate: str = ""
    name: str = ""
    v: int = 0


def mark(task_input, text):
    with open(task_input.file, "a", encoding="utf-8") as file:
        file.write(f"{text}\n")


async def gate(path):
    while not pathlib.Path(path).exists():
        await asyncio.sleep(0.02)


async def endless(task_input):
    """Until it is told to end, which it says."""
    mark(task_input, "began")
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        mark(task_input, "aborted")
        raise


@hatchet.task(name="py-Simple", input_validator=Input)
def simple(task_input: Input, ctx: Context) -> dict:
    return {"msg": task_input.name.upper(), "meta": ctx.additional_metadata}


dag = hatchet.workflow(name="py-dag", input_validator=Input)


@dag.task()
def a(task_input: Input, ctx: Context) -> dict:
    return {"v": task_input.v + 1}


@dag.task(parents=[a])
async def b(task_input: Input, ctx: Context) -> dict:
    return {"v": ctx.task_output(a)["v"] * 10}


@dag.task(parents=[a])
def c(task_input: Input, ctx: Context) -> dict:
    return {"v": ctx.task_output(a)["v"] * 100}


@dag.task(parents=[b, c])
async def d(task_input: Input, ctx: Context) -> dict:
    return {"v": ctx.task_output(b)["v"] + ctx.task_output(c)["v"]}


@hatchet.task(name="py-flaky", input_validator=Input, retries=3, backoff_factor=2.0,
              backoff_max_seconds=1)
def flaky(task_input: Input, ctx: Context) -> dict:
    mark(task_input, time.time())
    if ctx.retry_count < 2:
        raise ValueError(f"boom {ctx.retry_count}")
    return {"tries": ctx.retry_count}


@hatchet.task(name="py-hopeless", input_validator=Input, retries=3)
def hopeless(task_input: Input, ctx: Context) -> dict:
    mark(task_input, "began")
    raise NonRetryableException("no use")


failing = hatchet.workflow(name="py-failing", input_validator=Input)


@failing.task()
def breaks(task_input: Input, ctx: Context) -> dict:
    raise ValueError("it broke")


@failing.on_failure_task()
def cleanup(task_input: Input, ctx: Context) -> dict:
    mark(task_input, json.dumps(ctx.task_run_errors))
    return {"cleaned": True}


@hatchet.task(name="py-late", input_validator=Input, execution_timeout=timedelta(seconds=1))
async def late(task_input: Input, ctx: Context) -> dict:
    await endless(task_input)
    return {}


@hatchet.task(name="py-refreshed", execution_timeout=timedelta(seconds=2))
async def refreshed(task_input: EmptyModel, ctx: Context) -> dict:
    await ctx.aio_refresh_timeout(timedelta(seconds=20))
    await asyncio.sleep(4)
    return {"done": True}


@hatchet.task(name="py-endless", input_validator=Input, execution_timeout=timedelta(minutes=10))
async def forever(task_input: Input, ctx: Context) -> dict:
    await endless(task_input)
    return {}


# One task cancels itself: what waits for it goes with it, the other goes on.
quitting = hatchet.workflow(name="py-quitting")


@quitting.task(name="quits")
async def quits(task_input: EmptyModel, ctx: Context) -> dict:
    await ctx.aio_cancel()
    await asyncio.sleep(60)
    return {}


@quitting.task(name="after", parents=[quits])
async def after(task_input: EmptyModel, ctx: Context) -> dict:
    return {}


@quitting.task(name="goes")
async def goes(task_input: EmptyModel, ctx: Context) -> dict:
    return {}


@hatchet.task(name="py-square", input_validator=Input)
async def square(task_input: Input, ctx: Context) -> dict:
    return {"v": task_input.v * task_input.v}


@hatchet.task(name="py-fan", input_validator=Input)
async def fan(task_input: Input, ctx: Context) -> dict:
    one = await asyncio.gather(*[square.aio_run(Input(v=v), child_key=f"one-{v}")
                                 for v in (1, 2, 3)])
    many = await square.aio_run_many([square.create_bulk_run_item(input=Input(v=v))
                                      for v in range(task_input.v)])
    return {"one": sum(each["v"] for each in one), "many": sum(each["v"] for each in many)}


@hatchet.task(name="py-once", input_validator=Input)
def once(task_input: Input, ctx: Context) -> dict:
    mark(task_input, "child")
    return {"v": 7}


@hatchet.task(name="py-spawner", input_validator=Input, retries=2)
async def spawner(task_input: Input, ctx: Context) -> dict:
    child = await once.aio_run(task_input, child_key="only")
    if ctx.retry_count < 1:
        raise ValueError("after the child")
    return {"v": child["v"], "tries": ctx.retry_count}


@hatchet.task(name="py-logs")
def logs(task_input: EmptyModel, ctx: Context) -> dict:
    for line in ("one", "two", "three"):
        ctx.log(f"line {line}")
    return {"task": ctx.step_run_id}


@hatchet.task(name="py-stream", input_validator=Input, execution_timeout=timedelta(seconds=60))
async def stream(task_input: Input, ctx: Context) -> dict:
    await gate(task_input.file)
    for i in range(task_input.v):
        await ctx.aio_put_stream(f"{i};")
    return {}


@hatchet.task(name="py-queued", input_validator=Input)
async def queued(task_input: Input, ctx: Context) -> dict:
    mark(task_input, task_input.name)
    if task_input.gate:
        await gate(task_input.gate)
    return {}


# Retries: the SDK fails an attempt whose step was not acknowledged when the stream broke.
@hatchet.durable_task(name="py-nap", input_validator=Input, retries=3,
                      execution_timeout=timedelta(minutes=10))
async def nap(task_input: Input, ctx: DurableContext) -> dict:
    mark(task_input, "began")
    await ctx.aio_sleep_for(timedelta(seconds=task_input.v))
    child = await square.aio_run(Input(v=9))
    return {"slept": True, "v": child["v"]}


@hatchet.durable_task(name="py-waiter", input_validator=Input,
                      execution_timeout=timedelta(minutes=10))
async def waiter(task_input: Input, ctx: DurableContext) -> dict:
    found = await ctx.aio_wait_for("it", UserEventCondition(event_key=task_input.name))
    return {"event": found}


# Its first attempt fails once it has kept what it has computed, also what it computed at the same
# time as something else.
@hatchet.durable_task(name="py-keeps", input_validator=Input, retries=2)
async def keeps(task_input: Input, ctx: DurableContext) -> dict:
    async def compute(key: str) -> dict:
        mark(task_input, key)
        return {"tries": ctx.retry_count}

    first = await ctx._aio_memo(compute, dict, "first")
    one, _, two = await asyncio.gather(ctx._aio_memo(compute, dict, "one"),
                                       ctx.aio_sleep_for(timedelta(seconds=1)),
                                       ctx._aio_memo(compute, dict, "two"))
    now = await ctx.aio_now()
    if ctx.retry_count < 1:
        raise ValueError("after all memos")
    return {"memos": [first, one, two], "now": now.timestamp(), "tries": ctx.retry_count}


@hatchet.durable_task(name="py-parent", input_validator=Input, retries=2,
                      execution_timeout=timedelta(minutes=2))
async def parent(task_input: Input, ctx: DurableContext) -> dict:
    child = await once.aio_run(task_input)
    await square.aio_run(Input(v=1), wait_for_result=False)  # which holds nothing up
    await ctx.aio_sleep_for(timedelta(seconds=1))
    squares = await square.aio_run_many([square.create_bulk_run_item(input=Input(v=v))
                                         for v in range(task_input.v)])
    several = await dag.aio_run(Input(v=5))
    error = ""
    try:
        await hopeless.aio_run(task_input)
    except Exception as each:  # pylint: disable=broad-except
        error = str(each)
    if ctx.retry_count < 1:
        raise ValueError("after the children")
    return {"once": child, "sum": sum(each["v"] for each in squares), "dag": several,
            "error": error}


@hatchet.durable_task(name="py-parked", input_validator=Input,
                      execution_timeout=timedelta(minutes=2),
                      eviction_policy=EvictionPolicy(ttl=timedelta(seconds=1)))
async def parked(task_input: Input, ctx: DurableContext) -> dict:
    async def compute() -> dict:
        return {"at": ctx.invocation_count}

    mark(task_input, ctx.invocation_count)
    first = await ctx._aio_memo(compute, dict)
    found = await ctx.aio_wait_for(
        "it", UserEventCondition(event_key=task_input.name, readable_data_key="it"))
    return {"first": first["at"], "found": found, "invocation": ctx.invocation_count}


# Its second attempt does something else.
@hatchet.durable_task(name="py-wavers", input_validator=Input, retries=3)
async def wavers(task_input: Input, ctx: DurableContext) -> dict:
    try:
        if ctx.retry_count > 0:
            await square.aio_run(Input(v=2))
        else:
            await ctx.aio_sleep_for(timedelta(seconds=1))
    except Exception as error:
        mark(task_input, type(error).__name__)
        raise
    raise ValueError("once more")


@hatchet.durable_task(name="py-patient", input_validator=Input, retries=3,
                      execution_timeout=timedelta(minutes=10))
async def patient(task_input: Input, ctx: DurableContext) -> dict:
    await ctx.aio_sleep_for(timedelta(seconds=1))
    mark(task_input, "waits")
    return {"found": await ctx.aio_wait_for(
        "it", UserEventCondition(event_key=task_input.name, readable_data_key="it"))}


@hatchet.task(name="py-gated", input_validator=Input)
def gated(task_input: Input, ctx: Context) -> dict:
    if not pathlib.Path(task_input.file).exists():
        raise ValueError("not yet")
    return {"v": 1}


@hatchet.task(name="py-held", input_validator=Input, retries=3,
              execution_timeout=timedelta(minutes=10))
async def held(task_input: Input, ctx: Context) -> dict:
    mark(task_input, os.getpid())
    await gate(task_input.gate)
    return {"pid": os.getpid()}


@hatchet.task(name="py-slow", input_validator=Input, retries=3,
              execution_timeout=timedelta(minutes=2))
async def slow(task_input: Input, ctx: Context) -> dict:
    mark(task_input, task_input.v)
    await asyncio.sleep(2)
    return {"v": task_input.v}


@hatchet.task(name="py-on-event", input_validator=Input, on_events=["py:made:*"])
def on_event(task_input: Input, ctx: Context) -> dict:
    mark(task_input, f"{task_input.name} {ctx.additional_metadata.get('k')}")
    return {}


@hatchet.task(name="py-doomed", input_validator=Input, retries=2)
async def doomed(task_input: Input, ctx: Context) -> dict:
    mark(task_input, "began")
    raise ValueError("doomed")


# Its slot is free while it goes on.
@hatchet.task(name="py-released", input_validator=Input)
async def released(task_input: Input, ctx: Context) -> dict:
    if not task_input.gate:
        return {"v": 2}
    mark(task_input, "began")
    await ctx.aio_release_slot()
    await gate(task_input.gate)
    return {"v": 1}


@hatchet.task(name="py-labelled", input_validator=Input)
async def labelled(task_input: Input, ctx: Context) -> dict:
    await ctx.aio_upsert_worker_labels({})
    try:
        await ctx.aio_upsert_worker_labels({"gpu": "a"})
    except Exception as error:  # pylint: disable=broad-except
        return {"said": str(error)}
    return {"said": "taken"}


# What a case needs of the worker that serves it.
NEEDS = {
    "simple": [simple],
    "dag": [dag],
    "retries": [flaky],
    "non-retryable": [hopeless],
    "on-failure": [failing],
    "timeout": [late],
    "refresh": [refreshed],
    "cancel": [forever],
    "cancel-task": [quitting],
    "children": [fan, square],
    "children-retry": [spawner, once],
    "bulk": [square],
    "events": [],
    "logs": [logs],
    "streaming": [stream],
    "priority": [],
    "durable-sleep": [nap, square],
    "durable-event": [waiter],
    "memo": [keeps],
    "durable-children": [parent, once, square, dag, hopeless],
    "eviction": [parked],
    "nondeterminism": [wavers, square],
    "durable-restart": [patient],
    "details": [dag],
    "list": [simple],
    "replay": [gated],
    "unknown": [],
    "on-event": [on_event],
    "pause": [square],
    "exhausted": [doomed],
    "step-events": [square],
    "release-slot": [],
    "schedule": [square],
    "rate-limit": [],
    "labels": [labelled],
    "cancel-many": [forever],
    "replay-many": [gated],
    "worker-restart": [],
    "engine-restart": [slow, nap, square, simple],
}
ALL = {each.name: each
       for each in (simple, dag, flaky, hopeless, failing, late, refreshed, forever, quitting, square,
                    fan, once, spawner, logs, stream, queued, nap, waiter, keeps, parent, parked, wavers,
                    patient, gated, held, slow, on_event, doomed, released, labelled)}
