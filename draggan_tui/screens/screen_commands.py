"""Commands that open a dialog or change the screen. The key map names them `screen.…`; they take the editor's screen."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import TYPE_CHECKING

from draggan_engine.core.edit import Edit
from draggan_engine.core.errors import EditError
from draggan_engine.core.geometry import Point
from draggan_engine.core.model_info import ModelEntry
from draggan_engine.server.messages import ListModels, LoadMask, MaskLoaded, MaskSaved, SaveMask
from draggan_tui.client.advice import with_advice
from draggan_tui.editor.commands import drag, history, mask, session, view
from draggan_tui.rendering.cell_parts import PARTS
from draggan_tui.rendering.loading_text import model_label
from draggan_tui.rendering.model_list_text import is_open_model
from draggan_tui.terminal.cell_shape import CELL_SHAPES

from .branch_list import BranchChoice, BranchList
from .command_palette import CommandPalette
from .export_prompt import ExportChoice, ExportPrompt
from .goto_prompt import GotoPrompt
from .help_dialog import HelpDialog
from .mask_prompt import MaskPrompt
from .model_list import ModelList
from .settings_dialog import SettingsDialog

if TYPE_CHECKING:
    from .editor import EditorScreen


async def run(screen: EditorScreen, command: Callable[..., object]) -> None:
    """Run a command of this module and show the state; show its error, if it raises one."""
    screen.take_count()
    try:
        command_result = command(screen)
        if isawaitable(command_result):
            await command_result
    except EditError as edit_error:
        screen.report(with_advice(str(edit_error), edit_error.remedy), "bad")
    finally:
        screen.sync()


# View ---------------------------------------------------------------------------------------------------


def toggle_side_panel(screen: EditorScreen) -> None:
    """Hide or show the panels beside the image."""
    if screen.has_class("-narrow"):
        screen.report("the side panel needs a terminal of at least 60 columns")
    else:
        screen.toggle_class("no-panels")


def toggle_image_only(screen: EditorScreen) -> None:
    """Hide everything except the image, or show it again."""
    screen.toggle_class("image-only")
    if screen.has_class("image-only"):
        screen.report("only the image is shown: {image-only} shows the rest again")


def use_next_cell_shape(screen: EditorScreen) -> None:
    """Divide the cells of images into more parts, and after the most into two."""
    panels = screen.panels
    panels.use_shape(CELL_SHAPES[(CELL_SHAPES.index(panels.shape) + 1) % len(CELL_SHAPES)])
    parts = PARTS[panels.shape]
    shape_text = f"cells: {panels.shape}, {parts.width}×{parts.height} parts"
    screen.report(
        shape_text if panels.depth == "truecolor" else f"{shape_text}; halves with fewer colours than truecolor"
    )


async def open_goto(screen: EditorScreen) -> None:
    """Ask for coordinates and move the cursor there."""

    def go(point: Point | None) -> None:
        if point is not None:
            screen.attempt(lambda: view.go_to(screen.context, point))

    await screen.app.push_screen(GotoPrompt(screen.state.placed_cursor, screen.state.viewport.image_size), go)


# Mask ---------------------------------------------------------------------------------------------------


async def open_load_mask(screen: EditorScreen) -> None:
    """Ask for an image file and use it as the mask."""

    def use(mask_event: MaskLoaded | MaskSaved | None) -> None:
        if isinstance(mask_event, MaskLoaded):
            screen.attempt(lambda: mask.use_loaded(screen.context, mask_event))

    screen.state.check_can_edit()
    mask_prompt = MaskPrompt(
        "Load a mask (bright may move)", "loads", screen.engine, lambda mask_path: LoadMask(path=mask_path)
    )
    await screen.app.push_screen(mask_prompt, use)


async def open_save_mask(screen: EditorScreen) -> None:
    """Ask for a file and write the mask to it."""
    saved_mask = screen.state.edit.mask
    if saved_mask is None:
        raise EditError("no mask to save: paint one first ({pen}, or {toggle-cell})")

    def report(mask_event: MaskLoaded | MaskSaved | None) -> None:
        if mask_event is not None:
            screen.report(f"mask saved: {mask_event.path}", "good")

    mask_prompt = MaskPrompt(
        "Save the mask", "saves", screen.engine, lambda mask_path: SaveMask(path=mask_path, mask=saved_mask), (".png",)
    )
    await screen.app.push_screen(mask_prompt, report)


# Drag and history ---------------------------------------------------------------------------------------


async def open_settings(screen: EditorScreen) -> None:
    """Show the settings of the next drag, and use what is chosen."""

    def use(changed_edit: Edit | None) -> None:
        if changed_edit is not None:
            screen.attempt(lambda: drag.change_settings(screen.context, changed_edit))

    screen.state.check_can_edit()
    await screen.app.push_screen(SettingsDialog(screen.state.edit, screen.state.model), use)


async def open_branches(screen: EditorScreen) -> None:
    """List the branches of the history, and go to one or compare with one."""

    def use(user_choice: BranchChoice | None) -> None:
        if user_choice is None:
            return
        revision_id = user_choice.revision_id
        if user_choice.compare or revision_id is None:
            screen.attempt(lambda: history.compare_with(screen.context, revision_id))
        else:
            screen.attempt(lambda: history.go_to_revision(screen.context, revision_id))

    state, displayed_images = screen.state, screen.context.images
    state.check_can_edit()
    branch_list = BranchList(
        state.history, state.reference_id, displayed_images.cache, screen.panels.depth, screen.panels.shape,
        state.file_latent,
    )  # fmt: skip
    await screen.app.push_screen(branch_list, use)


# Session ------------------------------------------------------------------------------------------------


async def open_photograph(screen: EditorScreen) -> None:
    """Ask for the file of a photograph, which is then aligned and inverted."""
    screen.state.check_can_edit()
    screen.context.check_engine()
    await screen.photographs.ask_for_path()


async def open_models(screen: EditorScreen) -> None:
    """List the models, and load the one that is chosen."""

    def load_path(model_spec: str) -> None:
        screen.run_worker(screen.session.change_model(model_spec, model_label(model_spec)))

    def use(model_entry: ModelEntry | None) -> None:
        if model_entry is None:
            return
        if is_open_model(model_entry, screen.engine.options.model):
            screen.report(f"{model_entry.name} is open already")
        else:
            screen.run_worker(screen.session.change_model(model_entry.spec, model_entry.name))

    screen.state.check_can_edit()
    screen.context.check_engine()
    if screen.state.engine_status == "starting":
        raise EditError("the engine is starting")
    screen.engine.send(ListModels())
    model_list = ModelList(screen.engine.options.model, screen.state.edit.model, load_path, screen.session.pulls)
    await screen.app.push_screen(model_list, use)


async def open_export(screen: EditorScreen) -> None:
    """Ask for a file, and write the image, the video or the latent to it."""

    def export(user_choice: ExportChoice | None) -> None:
        if user_choice is not None:
            screen.attempt(
                lambda: session.export_to_file(
                    screen.context,
                    user_choice.path,
                    markers=user_choice.markers,
                    paste_mode=user_choice.paste_mode,
                )
            )

    screen.state.check_can_edit()
    screen.context.check_engine()
    session_directory = screen.context.sync.directory
    export_prompt = ExportPrompt(
        screen.state.edit,
        screen.state.file_latent,
        None if session_directory is None else str(session_directory),
    )
    await screen.app.push_screen(export_prompt, export)


async def restart_engine(screen: EditorScreen) -> None:
    """Start an engine, if there is none."""
    await screen.session.restart_engine()


async def interrupt(screen: EditorScreen) -> None:
    """Stop the running drag or inversion; if there is none, leave the editor."""
    if screen.state.is_inverting:
        screen.context.inversion.stop()
    elif screen.state.is_dragging:
        drag.stop(screen.context)
    else:
        await screen.session.leave()


async def leave(screen: EditorScreen) -> None:
    """Leave the editor."""
    await screen.session.leave()


async def open_palette(screen: EditorScreen) -> None:
    """List all commands and themes, and run the one that is chosen."""

    async def run_chosen(chosen_action: str | None) -> None:
        if chosen_action is not None:
            await screen.run_action(chosen_action)

    screen.state.count = screen.context.count  # for the command that is chosen
    await screen.app.push_screen(CommandPalette(), run_chosen)


async def open_help(screen: EditorScreen) -> None:
    """Show what the keys do."""
    await screen.app.push_screen(HelpDialog())
