"""What the engine's threads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from draggan_engine.core.latent_ref import LatentRef
from draggan_engine.dragging.drag_control import DragControl
from draggan_engine.storage.engine_socket import EngineSocket
from draggan_engine.storage.session_store import SessionStore

from .job_queue import JobQueue
from .messages import ModelLoaded
from .model_pull import ModelPull
from .outbox import Outbox

if TYPE_CHECKING:
    from draggan_engine.checkpoints.loader import Model
    from draggan_engine.networks.generator import Generator
    from draggan_engine.networks.preview_fidelity import PreviewFidelity


class EngineState:
    """The session, its model, and the queues between the threads.

    Args:
        outbox: sends events to the client.
        store: the session that the first model serves.
        device: where models are loaded.

    Attributes:
        model: None until the first one is loaded.
        preview_fidelity: what a drag may be shown as, by the generator, as far as it has been measured.
        result_source: the latent of the image in final.png; None if it is not known.
        jobs: what the main thread has to do.
        model_pull: the download of a model.
        drag_control: of the drag or the inversion that was started last; until the first one, of none.
        was_quit: whether the client has sent `Quit`.
        engine_socket: where an engine without a client listens for the next one.
    """

    def __init__(self, outbox: Outbox, store: SessionStore, device: str) -> None:
        self.outbox, self.store, self.device = outbox, store, device
        self.model: Model | None = None
        self.preview_fidelity: dict[Generator, PreviewFidelity] = {}
        self.result_source: LatentRef | None = None
        self.jobs = JobQueue()
        self.model_pull = ModelPull(outbox)
        self.drag_control = DragControl()
        self.was_quit = False
        self.engine_socket: EngineSocket | None = None

    def use_model(self, model: Model) -> None:
        """Make a loaded model the session's model and report it to the client."""
        self.store.set_model(model.name, model.sha256, model.path)
        self.model, self.preview_fidelity, self.result_source = model, {}, None
        self.outbox.send(ModelLoaded(spec=model.spec, info=model.info, device=str(model.generator.device)))

    def close(self) -> None:
        """Let the engine end: stop the running drag or inversion, and do only those waiting jobs that write files."""
        self.jobs.close()
        self.drag_control.stop()
        self.model_pull.stop()
        self.store.announce_close()
