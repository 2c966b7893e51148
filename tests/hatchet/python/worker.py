"""tests/hatchet/python/worker: worker.py NAME SLOTS READY WORKFLOW...: serves until SIGTERM.

It makes the file READY once its workflows are registered: runs of them are taken from then on.
"""
import pathlib
import sys

from workflows import ALL, hatchet


def main():
    name, slots, ready, *wanted = sys.argv[1:]

    async def lifespan():
        pathlib.Path(ready).touch()
        yield None

    worker = hatchet.worker(name, slots=int(slots), durable_slots=50, lifespan=lifespan,
                            workflows=[ALL[each] for each in wanted])
    worker.start()


if __name__ == "__main__":
    main()
