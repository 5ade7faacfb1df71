"""The job queue: the order of jobs, which job replaces which, and what is still done after the end."""

from __future__ import annotations

import threading

from draggan_engine.core.edit import Edit
from draggan_engine.core.history import Revision
from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.server.job_queue import DragJob, InversionJob, Job, JobQueue, UpdateResult
from draggan_engine.server.messages import Export, ExportFile, LoadModel, PreviewSize, Render, StartDrag
from draggan_engine.server.photograph_messages import InvertPhotograph
from tests.support.patience import PATIENCE

EDIT = Edit(model="toy", source=LatentRef(seed=3))
EXPORT = Export(edit=EDIT)
EXPORT_FILE = ExportFile(edit=EDIT, path="a.mp4")
LOAD_MODEL = LoadModel(spec="other")
DRAG = DragJob(StartDrag(revision=0, preview_size=PreviewSize(width=8, height=8)), DragControl())

INVERSION = InversionJob(
    InvertPhotograph(path="a.jpg", alignment=None, revision=Revision(id=1, parent=0, edit=EDIT), method="w", steps=1),
    DragControl(),
)


def render(request_id: int) -> Render:
    return Render(request_id=request_id, edit=EDIT)


def queue_of(*jobs: Job) -> JobQueue:
    queue = JobQueue()
    for job in jobs:
        queue.put(job)
    return queue


def remaining(queue: JobQueue) -> list[Job]:
    """Close the queue and return what is still to be done."""
    queue.close()
    return list(iter(queue.get, None))


def test_jobs_keep_their_order() -> None:
    jobs = (render(1), DRAG, EXPORT, LOAD_MODEL, EXPORT_FILE)
    queue = queue_of(*jobs)
    assert tuple(queue.get() for _ in jobs) == jobs


def test_a_newer_render_replaces_an_older_one_and_goes_to_the_end() -> None:
    queue = queue_of(render(1), DRAG, render(2), EXPORT, render(3))
    assert [queue.get() for _ in range(3)] == [DRAG, EXPORT, render(3)]


def test_a_newer_update_of_the_result_replaces_an_older_one() -> None:
    first, second = UpdateResult(), UpdateResult()
    queue = queue_of(first, EXPORT, second)
    assert [queue.get(), queue.get()] == [EXPORT, second]


def test_exports_and_drags_replace_nothing() -> None:
    queue = queue_of(EXPORT, EXPORT, EXPORT_FILE, EXPORT_FILE)
    assert remaining(queue) == [EXPORT, EXPORT, EXPORT_FILE, EXPORT_FILE]


def test_a_waiting_render_can_be_taken_out_of_turn() -> None:
    queue = queue_of(DRAG, EXPORT, render(1))
    assert queue.take_render() == render(1)
    assert queue.take_render() is None
    assert [queue.get(), queue.get()] == [DRAG, EXPORT]


def test_after_closing_only_jobs_that_write_files_are_done() -> None:
    update = UpdateResult()
    queue = queue_of(render(1), DRAG, INVERSION, EXPORT, LOAD_MODEL, EXPORT_FILE, update)
    assert remaining(queue) == [EXPORT, EXPORT_FILE, update]


def test_get_waits_for_a_job_of_another_thread() -> None:
    queue = JobQueue()
    received: list[Job | None] = []
    worker = threading.Thread(target=lambda: received.append(queue.get()))
    worker.start()
    queue.put(EXPORT)
    worker.join(PATIENCE)
    assert received == [EXPORT]


def test_closing_ends_the_wait_for_a_job() -> None:
    queue = JobQueue()
    received: list[Job | None] = []
    worker = threading.Thread(target=lambda: received.append(queue.get()))
    worker.start()
    queue.close()
    worker.join(PATIENCE)
    assert received == [None]
