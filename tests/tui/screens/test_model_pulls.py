"""Downloading public models and files of the hub in the editor's list of models."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from draggan_engine.core.model_info import ModelEntry, PublicModel
from draggan_engine.server.messages import Failed, LoadModel, ModelsListed
from draggan_engine.server.pull_messages import PullEnded, PullModel, PullProgress, StopPull
from draggan_tui.app import DragganApp
from draggan_tui.screens.model_list import ModelList
from tests.support.editing import FakeEngine, ready, status, until

ENTRIES = (ModelEntry(name="toy", origin="bundled", path="/b/toy.safetensors", bytes=4_409_308),)
LIONS = PublicModel(
    name="lions-512", family="StyleGAN2", shows="lions", width=512, height=512, bytes=363_965_313,
    licence="CC BY 4.0", home="https://example.org/lions",
)  # fmt: skip
DOGS = LIONS.model_copy(update={"name": "dogs-1024", "width": 1024, "height": 1024, "bytes": None, "shows": "dogs"})
DOWNLOADED = ModelEntry(name="lions-512", origin="own", path="/m/lions-512.pkl", bytes=363_965_313)
OFFER = (
    "lions-512: lions, StyleGAN2, 512×512\nhttps://example.org/lions\nlicence: CC BY 4.0\nEnter downloads the 364 MB"
)
PROGRESS = PullProgress(source="lions-512", done=12_000_000, total=363_965_313)
HUB_ADDRESS = "hf://org/faces/ffhq.pkl"


async def open_list(pilot: Pilot[None], engine: FakeEngine) -> None:
    await pilot.press("M")
    engine.say(ModelsListed(models=ENTRIES, public_models=(LIONS, DOGS)))
    await pilot.pause()


async def start_pull(app: DragganApp, pilot: Pilot[None]) -> FakeEngine:
    engine = await ready(app, pilot)
    await open_list(pilot, engine)
    await pilot.press("j", "enter", "enter")
    assert engine.last(PullModel) == PullModel(source="lions-512")
    engine.say(PROGRESS)
    await pilot.pause()
    return engine


def note(app: DragganApp) -> str:
    """Return the text below the list."""
    widget = app.screen.query_one("#problem")
    return str(widget.render()) if widget.display else ""


def pulls_of(engine: FakeEngine) -> list[str]:
    return [command.source for command in engine.sent if isinstance(command, PullModel)]


async def test_what_can_be_downloaded_is_listed_below_the_models_on_this_machine(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await open_list(pilot, engine)
        names = app.screen.query_one(OptionList)
        assert [str(option.prompt).rstrip() for option in names.options] == [
            "● toy  bundled  4.4 MB",
            "↓ lions-512  364 MB  lions",
            "↓ dogs-1024          dogs",
        ]
        assert names.highlighted == 0


async def test_the_licence_is_shown_before_anything_is_downloaded(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await open_list(pilot, engine)
        await pilot.press("j", "enter")
        assert (note(app), pulls_of(engine)) == (OFFER, [])
        await pilot.press("j")
        await until(lambda: note(app) == "")
        await pilot.press("k", "enter")
        assert (note(app), pulls_of(engine)) == (OFFER, [])
        await pilot.press("enter")
        assert (note(app), pulls_of(engine)) == ("downloading lions-512 … · x stops it", ["lions-512"])


async def test_the_name_of_a_public_model_can_be_typed(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await open_list(pilot, engine)
        await pilot.press("slash", *"lions-512", "enter")
        assert (note(app), pulls_of(engine)) == (OFFER, [])
        await pilot.press("enter")
        assert pulls_of(engine) == ["lions-512"]


async def test_a_download_shows_its_progress_and_can_be_opened_at_the_end(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        assert note(app) == "downloading lions-512: 12/364 MB · x stops it"
        engine.say(ModelsListed(models=(*ENTRIES, DOWNLOADED), public_models=(DOGS,)))
        engine.say(PullEnded(source="lions-512", spec="lions-512"))
        await until(lambda: note(app) == "lions-512 is on this machine now; Enter opens it")
        await pilot.pause()
        assert note(app) == "lions-512 is on this machine now; Enter opens it"
        await pilot.press("enter")
        await until(lambda: isinstance(engine.sent[-1], LoadModel))
        assert engine.last(LoadModel).spec == "lions-512"


async def test_a_download_can_be_stopped(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        await pilot.press("x")
        assert isinstance(engine.sent[-1], StopPull)
        engine.say(PROGRESS)
        await pilot.pause()
        assert note(app) == "stopping the download of lions-512 …"
        engine.say(PullEnded(source="lions-512", spec=None))
        await until(lambda: note(app) == "the download of lions-512 was stopped; what was received is kept")
        await pilot.press("x")
        assert sum(isinstance(command, StopPull) for command in engine.sent) == 1
        await pilot.press("enter", "enter")
        assert pulls_of(engine) == ["lions-512", "lions-512"]


async def test_only_one_model_is_downloaded_at_a_time(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        await pilot.press("j", "enter", "enter")
        assert note(app) == "one download at a time: downloading lions-512: 12/364 MB · x stops it"
        assert pulls_of(engine) == ["lions-512"]


async def test_a_failure_is_shown_and_the_dialog_stays(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        message = "https://example.org/lions.pkl: the name example.org cannot be resolved; check the network"
        engine.say(Failed(task="pull_model", message=message))
        await until(lambda: note(app) == message)
        assert isinstance(app.screen, ModelList)
        await pilot.press("enter")
        assert note(app) == OFFER


async def test_a_download_goes_on_after_the_dialog_is_closed(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        await pilot.press("escape")
        assert not any(isinstance(command, StopPull) for command in engine.sent)
        await open_list(pilot, engine)
        assert note(app) == "downloading lions-512: 12/364 MB · x stops it"
        await pilot.press("escape")
        engine.say(PullEnded(source="lions-512", spec="lions-512"))
        await until(lambda: status(app) == "lions-512 is downloaded: M opens it")


async def test_a_failure_after_the_dialog_is_closed_is_reported(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        await pilot.press("escape")
        engine.say(Failed(task="pull_model", message="the connection broke again and again"))
        await until(lambda: status(app) == "the connection broke again and again")


async def test_an_address_on_the_hub_is_downloaded_and_then_opened(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await ready(app, pilot)
        await open_list(pilot, engine)
        await pilot.press("slash")
        app.screen.query_one(Input).value = HUB_ADDRESS
        await pilot.pause()
        await pilot.press("enter")
        assert pulls_of(engine) == [HUB_ADDRESS]
        assert not any(isinstance(command, LoadModel) for command in engine.sent)
        engine.say(PullProgress(source=HUB_ADDRESS, done=5_000_000, total=0))
        await until(lambda: note(app) == f"downloading {HUB_ADDRESS}: 5.0 MB · x stops it")
        engine.say(PullEnded(source=HUB_ADDRESS, spec=HUB_ADDRESS))
        await until(lambda: isinstance(engine.sent[-1], LoadModel))
        assert engine.last(LoadModel).spec == HUB_ADDRESS
        assert note(app) == "loading ffhq …"


async def test_a_lost_engine_downloads_nothing(app: DragganApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        engine = await start_pull(app, pilot)
        engine.alive = False
        engine.lose()
        await pilot.pause()
        assert app.editor.session.pulls.source is None
