"""Turn exceptions into `Failed` events: the client gets one line, and the log gets the traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from draggan_engine.core.errors import DragganError, Remedy

from .messages import Failed, FailedTask
from .outbox import Outbox

log = logging.getLogger("draggan_engine")


@contextmanager
def report_failures(outbox: Outbox, task: FailedTask) -> Iterator[None]:
    """Send a `Failed` event, and continue after the block, when the block raises an exception."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, DragganError):
            log.exception("%s", task)
        outbox.send(failure_of(error, task))


def failure_of(error: Exception, task: FailedTask) -> Failed:
    """Return the event for a task that an exception has ended."""
    if isinstance(error, DragganError):
        return Failed(task=task, message=str(error), remedy=error.remedy)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower()):
        return Failed(task=task, message="out of memory; the edit is kept", remedy=Remedy.use_cpu)
    if isinstance(error, RuntimeError):
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Failed(task=task, message=f"the computation failed ({first_line}); the log has the details")
    return Failed(task=task, message=f"unexpected {type(error).__name__} in the engine; the log has the details")
