"""tests/hatchet/python/cases: cases.py [CASE...]: Hatchet's SDK for Python against froe.

As ts/cases.js: HATCHET_CLIENT_TOKEN has the token and, within it, the address;
HATCHET_TEST_ENGINE is a command that ends the engine by kill -9 and starts it again, without which
engine-restart is skipped. Workers are processes of their own (worker.py). A line for each case,
then "N passed, N failed".
"""
import asyncio
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
import warnings
from datetime import datetime, timedelta, timezone

CASE_S = 90
HERE = pathlib.Path(__file__).resolve().parent
TMP = pathlib.Path(tempfile.mkdtemp(prefix="froe-hatchet-py-"))

warnings.simplefilter("ignore")


class Files:
    """Names that no file has yet."""
    count = 0

    @classmethod
    def fresh(cls):
        cls.count += 1
        return str(TMP / f"f{cls.count}")


def lines(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []


async def until(condition):
    """The case's own time bounds it."""
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        await asyncio.sleep(0.05)


async def rejected(run):
    try:
        await run
    except asyncio.CancelledError:
        raise
    except Exception as error:  # pylint: disable=broad-except
        return str(error) or repr(error)
    raise AssertionError("the run did not fail")


async def status(run_id, wanted):
    async def same():
        return (await hatchet.runs.aio_get_status(run_id)).value == wanted
    await until(same)


# -------------------------------------------------------------------------------------- workers

class Worker:
    """A process with a group of its own: the SDK makes several of them."""
    running = []

    def __init__(self, name, slots, wanted):
        self.log = TMP / f"{name}.log"
        self.file = TMP / f"{name}.ready"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "worker.py", name, str(slots), self.file,
                 *[each.name for each in wanted]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)
        Worker.running.append(self)

    def tail(self):
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n    ".join(text.strip().split("\n")[-8:])

    def ended(self):
        status_now = self.process.poll()
        if status_now is not None:
            raise AssertionError(f"the worker ended with status {status_now}; the end of its log:"
                                 f"\n    {self.tail()}")

    async def ready(self):
        """Its workflows are known: before, a run of one is refused."""
        await asyncio.wait_for(until(lambda: self.ended() or self.file.exists()), 60)

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        if self in Worker.running:
            Worker.running.remove(self)

    async def stop(self):
        """In good order."""
        self.process.terminate()
        try:
            await asyncio.wait_for(asyncio.to_thread(self.process.wait), 30)
        finally:
            self.kill()


# ---------------------------------------------------------------------------------------- cases

async def case_simple():
    out = await w.simple.aio_run(w.Input(name="hi"), additional_metadata={"k": "v"})
    assert out["msg"] == "HI", out
    assert out["meta"]["k"] == "v", out


async def case_dag():
    out = await w.dag.aio_run(w.Input(v=1))
    assert out == {"a": {"v": 2}, "b": {"v": 20}, "c": {"v": 200}, "d": {"v": 220}}, out


async def case_retries():
    file = Files.fresh()
    assert await w.flaky.aio_run(w.Input(file=file)) == {"tries": 2}
    times = [float(line) for line in lines(file)]
    assert len(times) == 3, times
    assert times[2] - times[0] >= 1.9, "a second before each retry"


async def case_non_retryable():
    file = Files.fresh()
    assert "no use" in await rejected(w.hopeless.aio_run(w.Input(file=file)))
    assert len(lines(file)) == 1


async def case_on_failure():
    file = Files.fresh()
    assert "it broke" in await rejected(w.failing.aio_run(w.Input(file=file)))
    await until(lambda: lines(file))
    assert "it broke" in json.loads(lines(file)[0])["breaks"]


async def case_timeout():
    file = Files.fresh()
    await rejected(w.late.aio_run(w.Input(file=file)))
    await until(lambda: len(lines(file)) == 2)
    assert lines(file) == ["began", "aborted"]


async def case_refresh():
    assert await w.refreshed.aio_run() == {"done": True}


async def case_cancel():
    file = Files.fresh()
    run = await w.forever.aio_run(w.Input(file=file), wait_for_result=False)
    await until(lambda: len(lines(file)) == 1)
    await hatchet.runs.aio_cancel(run.workflow_run_id)
    await until(lambda: len(lines(file)) == 2)
    await status(run.workflow_run_id, "CANCELLED")


async def case_cancel_task():
    run = await w.quitting.aio_run(wait_for_result=False)
    await rejected(run.aio_result())
    await status(run.workflow_run_id, "CANCELLED")
    details = await hatchet.runs.aio_get_details(run.workflow_run_id)
    found = {name: task.status.value for name, task in details.task_runs.items()}
    assert found == {"quits": "CANCELLED", "after": "CANCELLED", "goes": "COMPLETED"}, found


async def case_children():
    out = await w.fan.aio_run(w.Input(v=20))
    assert out == {"one": 14, "many": 2470}, out


async def case_children_retry():
    file = Files.fresh()
    out = await w.spawner.aio_run(w.Input(file=file))
    assert out == {"v": 7, "tries": 1}, out
    assert len(lines(file)) == 1, "the child ran once"


async def case_bulk():
    out = await w.square.aio_run_many([w.square.create_bulk_run_item(input=w.Input(v=v))
                                       for v in range(1000)])
    assert [each["v"] for each in out] == [v * v for v in range(1000)]


async def case_events():
    one = await hatchet.event.aio_push("py:one", {"a": 1}, additional_metadata={"k": "v"})
    assert len(one.event_id) == 36 and one.key == "py:one", one
    many = await hatchet.event.aio_bulk_push(
        [BulkPushEventWithMetadata(key="py:many", payload={"a": a}) for a in range(3)])
    assert len({each.event_id for each in many}) == 3, many
    rows = (await hatchet.event.aio_list(event_ids=[one.event_id],
                                         additional_metadata={"k": "v"})).rows
    assert [(row.key, row.payload) for row in rows] == [("py:one", {"a": 1})], rows
    assert (await hatchet.event.aio_get(one.event_id)).key == "py:one"


async def case_logs():
    task = (await w.logs.aio_run())["task"]

    async def rows():
        found = await hatchet.logs.aio_list(task)
        return found.rows if found.rows and len(found.rows) >= 3 else None
    messages = " ".join(row.message for row in await until(rows))
    for word in ("one", "two", "three"):
        assert f"line {word}" in messages, messages


async def case_streaming():
    file = Files.fresh()
    run = await w.stream.aio_run(w.Input(file=file, v=50), wait_for_result=False)
    asyncio.get_running_loop().call_later(0.5, pathlib.Path(file).touch)
    text = ""
    async for chunk in hatchet.runs.subscribe_to_stream(run.workflow_run_id):
        text += chunk
    assert text == "".join(f"{i};" for i in range(50)), text


async def case_priority():
    file, gate = Files.fresh(), Files.fresh()
    worker = Worker("py-one-slot", 1, [w.queued])
    try:
        await worker.ready()
        first = await w.queued.aio_run(w.Input(file=file, gate=gate, name="first"),
                                       wait_for_result=False)
        await until(lambda: len(lines(file)) == 1)
        runs = [await w.queued.aio_run(w.Input(file=file, name=name), priority=priority,
                                       wait_for_result=False)
                for name, priority in (("low", 1), ("low", 1), ("high", 3), ("high", 3))]
        pathlib.Path(gate).touch()
        await asyncio.gather(*[run.aio_result() for run in (first, *runs)])
    finally:
        worker.kill()
    assert lines(file) == ["first", "high", "high", "low", "low"], lines(file)


async def case_durable_sleep():
    begun = time.monotonic()
    out = await w.nap.aio_run(w.Input(file=Files.fresh(), v=2))
    assert out == {"slept": True, "v": 81}, out
    assert time.monotonic() - begun >= 1.9


async def case_durable_event():
    key = f"py:waited:{os.getpid()}"
    result = asyncio.ensure_future(w.waiter.aio_run(w.Input(name=key)))
    while not result.done():  # it is heard once the task waits
        await hatchet.event.aio_push(key, {"answer": 42})
        await asyncio.wait([result], timeout=0.2)
    assert '"answer": 42' in json.dumps(result.result()), result.result()


async def case_memo():
    file = Files.fresh()
    run = await w.keeps.aio_run(w.Input(file=file), wait_for_result=False)
    out = await run.aio_result()
    # Replayed, it goes on from what it has kept.
    await hatchet.runs.aio_replay(run.workflow_run_id)
    await status(run.workflow_run_id, "COMPLETED")
    assert await run.aio_result() == {**out, "tries": 2}
    assert out["memos"] == [{"tries": 0}] * 3 and out["tries"] == 1, out
    assert sorted(lines(file)) == ["first", "one", "two"], lines(file)
    assert out["now"] < time.time(), out


async def case_durable_children():
    file = Files.fresh()
    out = await w.parent.aio_run(w.Input(file=file, v=150))
    assert out["once"] == {"v": 7} and out["sum"] == 1113775, out
    assert out["dag"] == {"a": {"v": 6}, "b": {"v": 60}, "c": {"v": 600}, "d": {"v": 660}}, out
    assert "no use" in out["error"], out
    # The children of the first attempt are those of the second.
    assert sorted(lines(file)) == ["began", "child"], lines(file)


async def case_eviction():
    """Off its worker while it waits, and back when what it waits for has come."""
    file, key = Files.fresh(), f"py:parked:{os.getpid()}"
    run = await w.parked.aio_run(w.Input(file=file, name=key), wait_for_result=False)

    async def is_evicted():
        details = await hatchet.runs.aio_get_details(run.workflow_run_id)
        return details.task_runs["py-parked"].is_evicted

    await until(is_evicted)
    await hatchet.event.aio_push(key, {"answer": 42})
    out = await run.aio_result()
    assert out["first"] == 1 and out["found"] == {"CREATE": {"it": [{"answer": 42}]}}, out
    # More than two if the worker was taken for lost meanwhile.
    assert out["invocation"] >= 2, out
    assert lines(file) == [str(i + 1) for i in range(out["invocation"])], lines(file)


async def case_nondeterminism():
    file = Files.fresh()
    text = await rejected(w.wavers.aio_run(w.Input(file=file)))
    assert "sleep 1000 ms" in text and "child py-square" in text, text
    # Each attempt after the first is told, and might do something else about it.
    assert lines(file) == ["NonDeterminismError"] * 3, lines(file)


async def case_durable_restart():
    """The engine is killed while a task waits; its worker stays up."""
    file, key = Files.fresh(), f"py:patient:{os.getpid()}"
    run = await w.patient.aio_run(w.Input(file=file, name=key), wait_for_result=False)
    await until(lambda: len(lines(file)) == 1)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(subprocess.run, os.environ["HATCHET_TEST_ENGINE"], shell=True,
                            check=True)
    await hatchet.event.aio_push(key, {"answer": 42})
    out = await run.aio_result()
    assert out == {"found": {"CREATE": {"it": [{"answer": 42}]}}}, out


async def case_details():
    run = await w.dag.aio_run(w.Input(v=5), wait_for_result=False)
    await run.aio_result()
    details = await hatchet.runs.aio_get_details(run.workflow_run_id)
    assert details.status.value == "COMPLETED" and details.done, details
    assert sorted(details.task_runs) == ["a", "b", "c", "d"], details
    assert details.task_runs["d"].output == {"v": 660}, details


async def case_list():
    pair = {"mark": f"m{os.getpid()}"}
    run = await w.simple.aio_run(w.Input(name="x"), additional_metadata=pair,
                                 wait_for_result=False)
    await run.aio_result()
    # At once: a list never lags behind what its caller has been told.
    rows = (await hatchet.runs.aio_list(additional_metadata=pair)).rows
    assert [row.workflow_run_external_id for row in rows] == [run.workflow_run_id], rows
    assert rows[0].status.value == "COMPLETED", rows
    assert rows[0].finished_at >= rows[0].started_at, rows
    one = await hatchet.runs.aio_get(run.workflow_run_id)
    assert one.run.status.value == "COMPLETED", one


async def case_replay():
    file = Files.fresh()
    run = await w.gated.aio_run(w.Input(file=file), wait_for_result=False)
    assert "not yet" in await rejected(run.aio_result())
    pathlib.Path(file).touch()
    await hatchet.runs.aio_replay(run.workflow_run_id)
    await status(run.workflow_run_id, "COMPLETED")
    details = await hatchet.runs.aio_get_details(run.workflow_run_id)
    assert details.task_runs["py-gated"].output == {"v": 1}, details


async def case_unknown():
    nobody = hatchet.workflow(name="py-nobody-has-this")
    assert "py-nobody-has-this" in await rejected(nobody.aio_run())


async def case_on_event():
    file = Files.fresh()
    await hatchet.event.aio_push("py:made:order", {"file": file, "name": "one"},
                                 additional_metadata={"k": "v"})
    await hatchet.event.aio_push("py:unmade:order", {"file": file, "name": "no"})
    await hatchet.event.aio_push("py:made:", {"file": file, "name": "two"})
    await until(lambda: len(lines(file)) >= 2)
    assert sorted(lines(file)) == ["one v", "two None"], lines(file)
    event = (await hatchet.event.aio_list(keys=["py:made:order"], limit=1)).rows[0]
    runs = (await hatchet.runs.aio_list(triggering_event_external_id=event.metadata.id)).rows
    assert [run.workflow_run_external_id for run in runs] == [
        run.workflow_run_id for run in event.triggered_runs], (runs, event)


async def case_pause():
    found = (await hatchet.workflows.aio_list("py-square")).rows
    workflow = next(row for row in found if row.name == "py-square").metadata.id
    paused = await hatchet.workflows.aio_pause(workflow, timedelta(hours=1))
    assert paused.is_paused, paused
    run = await w.square.aio_run(w.Input(v=3), wait_for_result=False)
    await asyncio.sleep(0.3)
    status = await hatchet.runs.aio_get_status(run.workflow_run_id)
    assert status.value == "QUEUED", status
    assert not (await hatchet.workflows.aio_unpause(workflow)).is_paused
    assert await run.aio_result() == {"v": 9}


async def followed(run_id):
    """What becomes of a run's tasks, and of the run."""
    return [(event.type.value.removeprefix("STEP_RUN_EVENT_TYPE_"), event.payload)
            async for event in hatchet.listener.stream(run_id)]


async def case_exhausted():
    file = Files.fresh()
    run = await w.doomed.aio_run(w.Input(file=file), wait_for_result=False)
    assert "doomed" in await rejected(run.aio_result())
    assert len(lines(file)) == 3, lines(file)
    events = await followed(run.workflow_run_id)
    assert [kind for kind, _ in events] == ["STARTED", "FAILED"] * 3 + ["FAILED"], events
    assert all("doomed" in payload for kind, payload in events[:-1] if kind == "FAILED"), events


async def case_step_events():
    run = await w.square.aio_run(w.Input(v=3), wait_for_result=False)
    events = await followed(run.workflow_run_id)
    assert [kind for kind, _ in events] == ["STARTED", "COMPLETED", "COMPLETED"], events
    assert json.loads(events[1][1]) == {"v": 9}, events


async def case_release_slot():
    file, gate = Files.fresh(), Files.fresh()
    worker = Worker("py-releasing", 1, [w.released])
    try:
        await worker.ready()
        first = await w.released.aio_run(w.Input(file=file, gate=gate), wait_for_result=False)
        await until(lambda: len(lines(file)) == 1)
        assert await w.released.aio_run(w.Input()) == {"v": 2}
        pathlib.Path(gate).touch()
        assert await first.aio_result() == {"v": 1}
    finally:
        worker.kill()


async def case_schedule():
    begun = datetime.now(timezone.utc)
    at = begun + timedelta(milliseconds=400)
    version = await w.square.aio_schedule(at, w.Input(v=12))
    assert len(version.scheduled_workflows) == 1, version
    run = hatchet.runs.get_run_ref(version.scheduled_workflows[0].id)
    assert (await run.aio_result())["py-square"] == {"v": 144}
    assert datetime.now(timezone.utc) >= at, "it began before its time"


async def case_rate_limit():
    key = f"py-limit-{os.getpid()}"
    for limit in (5, 7):
        await hatchet.rate_limits.aio_put(key, limit, RateLimitDuration.MINUTE)
    rows = (await hatchet.rate_limits.aio_list(search=key)).rows
    assert [(row.key, row.limit_value, row.window) for row in rows] == [(key, 7, "MINUTE")], rows


async def case_labels():
    assert "labels" in (await w.labelled.aio_run(w.Input()))["said"]


async def many(flow, pairs, file):
    return [await flow.aio_run(w.Input(file=file), additional_metadata=pairs,
                               wait_for_result=False) for _ in range(3)]


def by_filter(pairs, **more):
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    return BulkCancelReplayOpts(filters=RunFilter(since=since, additional_metadata=pairs, **more))


async def case_cancel_many():
    file, pairs = Files.fresh(), {"mark": f"c{os.getpid()}"}
    runs = await many(w.forever, pairs, file)
    await until(lambda: len(lines(file)) == 3)
    await hatchet.runs.aio_bulk_cancel(by_filter(pairs))
    for run in runs:
        await status(run.workflow_run_id, "CANCELLED")


async def case_replay_many():
    file, pairs = Files.fresh(), {"mark": f"r{os.getpid()}"}
    runs = await many(w.gated, pairs, file)
    for run in runs:
        assert "not yet" in await rejected(run.aio_result())
    pathlib.Path(file).touch()
    await hatchet.runs.aio_bulk_replay(by_filter(pairs, statuses=[V1TaskStatus.FAILED]))
    for run in runs:
        await status(run.workflow_run_id, "COMPLETED")


async def case_worker_restart():
    file, gate = Files.fresh(), Files.fresh()
    first = Worker("py-held-1", 5, [w.held])
    await first.ready()
    run = await w.held.aio_run(w.Input(file=file, gate=gate), wait_for_result=False)
    await until(lambda: len(lines(file)) == 1)
    first.kill()  # without a word
    second = Worker("py-held-2", 5, [w.held])
    await until(lambda: second.ended() or len(lines(file)) == 2)
    pathlib.Path(gate).touch()
    assert str((await run.aio_result())["pid"]) == lines(file)[1]
    await second.stop()  # in good order: the next run waits for the next worker
    run = await w.held.aio_run(w.Input(file=file, gate=gate), wait_for_result=False)
    third = Worker("py-held-3", 5, [w.held])
    await until(lambda: third.ended() or len(lines(file)) == 3)
    assert str((await run.aio_result())["pid"]) == lines(file)[2]
    third.kill()


async def case_engine_restart():
    """The client and the worker of these runs stay up; the engine does not."""
    file, nap = Files.fresh(), Files.fresh()
    runs = [asyncio.ensure_future(w.slow.aio_run(w.Input(file=file, v=v))) for v in range(20)]
    durable = asyncio.ensure_future(w.nap.aio_run(w.Input(file=nap, v=5)))
    await until(lambda: len(lines(file)) >= 10 and len(lines(nap)) == 1)
    await asyncio.to_thread(subprocess.run, os.environ["HATCHET_TEST_ENGINE"], shell=True,
                            check=True)
    assert [each["v"] for each in await asyncio.gather(*runs)] == list(range(20))
    assert await durable == {"slept": True, "v": 81}
    assert (await w.simple.aio_run(w.Input(name="after")))["msg"] == "AFTER"


CASES = {name[5:].replace("_", "-"): case for name, case in list(globals().items())
         if name.startswith("case_")}


# --------------------------------------------------------------------------------------- running

async def run_case(name, worker):
    case = asyncio.ensure_future(CASES[name]())
    try:
        begun = time.monotonic()
        while not case.done():
            if time.monotonic() - begun > CASE_S:
                raise AssertionError(f"not done within {CASE_S} s")
            await asyncio.wait([case], timeout=1)
            if worker is not None and not case.done():
                worker.ended()
        case.result()
    finally:
        case.cancel()


async def run_all(chosen):
    passed = failed = 0
    wanted = list(dict.fromkeys(each for name in chosen for each in w.NEEDS[name]))
    worker = Worker("py-main", 50, wanted) if wanted else None
    why = None
    try:
        if worker is not None:
            await worker.ready()
    except Exception as error:  # pylint: disable=broad-except
        why = str(error) or repr(error)
        tail = f"; the end of its log:\n    {worker.tail()}"
        print(f"no worker: {why}{tail if worker.process.poll() is None else ''}", flush=True)
    for name in chosen:
        if name.endswith("e-restart") and "HATCHET_TEST_ENGINE" not in os.environ:
            print(f"skipped {name}: HATCHET_TEST_ENGINE is not set", flush=True)
            continue
        begun = time.monotonic()
        try:
            assert why is None or not w.NEEDS[name], "there is no worker"
            await run_case(name, worker if w.NEEDS[name] else None)
            passed += 1
            print(f"passed {name} {(time.monotonic() - begun) * 1000:.0f} ms", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED {name}: {str(error) or repr(error)}", flush=True)
    return passed, failed


def main():
    chosen = sys.argv[1:] or list(CASES)
    strange = [name for name in chosen if name not in CASES]
    if strange:
        print(f"there is no case {strange[0]}; there are {' '.join(CASES)}", file=sys.stderr)
        return 2
    passed, failed = asyncio.run(run_all(chosen))
    for worker in list(Worker.running):
        worker.kill()
    if failed:
        print(f"logs of the workers are in {TMP}")
    else:
        shutil.rmtree(TMP, ignore_errors=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    os._exit(1 if failed or not passed else 0)  # threads of the SDK are not waited for


if __name__ == "__main__":
    if "HATCHET_CLIENT_TOKEN" not in os.environ:
        sys.exit("HATCHET_CLIENT_TOKEN is not set: froe token create --hatchet makes one")
    sys.path.insert(0, str(HERE))
    import workflows as w  # the SDK wants a token as soon as it is there
    from hatchet_sdk import (BulkCancelReplayOpts, BulkPushEventWithMetadata, RateLimitDuration,
                             RunFilter, V1TaskStatus)
    hatchet = w.hatchet
    sys.exit(main())
