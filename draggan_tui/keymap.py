"""The key map: every key of the editor, what it does and which command does it.

Each binding has an id, by which a user's configuration changes its keys. The ids stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyBinding:
    """
    Attributes:
        keys: as Textual names them, separated by commas.
        help: what the keys do, for help and command palette.
        command: `topic.function`: a function of `draggan_tui.editor.commands.topic`; with the topic `screen` one of
            `draggan_tui.screens.screen_commands`; with the topic `app` an action of the application.
        arguments: what the command gets besides its context.
        shown_keys: how the keys are written where the names of Textual's keys do not say it.
    """

    id: str
    keys: str
    help: str
    command: str
    arguments: tuple[object, ...] = ()
    shown_keys: str | None = None


KEY_GROUPS: dict[str, tuple[KeyBinding, ...]] = {
    "Move": (
        KeyBinding("left", "left,h", "left", "view.move_cursor", (-1, 0)),
        KeyBinding("down", "down,j", "down", "view.move_cursor", (0, 1)),
        KeyBinding("up", "up,k", "up", "view.move_cursor", (0, -1)),
        KeyBinding("right", "right,l", "right", "view.move_cursor", (1, 0)),
        KeyBinding("left8", "H,shift+left", "8 to the left", "view.move_cursor", (-8, 0)),
        KeyBinding("down8", "J,shift+down", "8 down", "view.move_cursor", (0, 8)),
        KeyBinding("up8", "K,shift+up", "8 up", "view.move_cursor", (0, -8)),
        KeyBinding("right8", "L,shift+right", "8 to the right", "view.move_cursor", (8, 0)),
        KeyBinding("left-edge", "home", "left edge", "view.move_to_edge", (-1, 0)),
        KeyBinding("right-edge", "end", "right edge", "view.move_to_edge", (1, 0)),
        KeyBinding("top-edge", "pageup", "top edge", "view.move_to_edge", (0, -1)),
        KeyBinding("bottom-edge", "pagedown", "bottom edge", "view.move_to_edge", (0, 1)),
    ),
    "View": (
        KeyBinding("zoom-in", "plus,equals_sign", "zoom in; 3+ by three steps", "view.zoom", (1,), shown_keys="+ ="),
        KeyBinding("zoom-out", "minus", "zoom out", "view.zoom", (-1,), shown_keys="-"),
        KeyBinding("zoom-fit", "z", "zoom to the whole image", "view.zoom_to_fit"),
        KeyBinding("cells", "Z", "finer parts of cells, for a sharper image", "screen.use_next_cell_shape"),
        KeyBinding("side-panel", "p", "hide or show the panels beside the image", "screen.toggle_side_panel"),
        KeyBinding("image-only", "P", "hide or show all but the image", "screen.toggle_image_only"),
        KeyBinding("goto", "colon", "to typed coordinates: 64,70 or +3,-2", "screen.open_goto", shown_keys=":"),
        KeyBinding(
            "labels",
            "apostrophe",
            "letters at points worth dragging: type one to go there",
            "labels.label_points",
            shown_keys="'",
        ),
    ),
    "Points": (
        KeyBinding(
            "place",
            "enter",
            "handle, then its target (same spot: a pin); sets the shape, drops the grab",
            "points.place",
        ),
        KeyBinding("retarget", "t", "selected pair's target here", "points.move_target"),
        KeyBinding("next-pair", "tab", "next pair", "points.select", (1,)),
        KeyBinding("previous-pair", "shift+tab", "previous pair", "points.select", (-1,)),
        KeyBinding("grab", "g", "grab the handle: it goes with the cursor", "points.toggle_grab", ("handle",)),
        KeyBinding("grab-target", "G", "grab the target", "points.toggle_grab", ("target",)),
        KeyBinding("nudge-left", "Y", "nudge the handle by a pixel: left", "points.nudge", (-1, 0)),
        KeyBinding("nudge-down", "U", "nudge down", "points.nudge", (0, 1)),
        KeyBinding("nudge-up", "I", "nudge up", "points.nudge", (0, -1)),
        KeyBinding("nudge-right", "O", "nudge right", "points.nudge", (1, 0)),
        KeyBinding("duplicate", "y", "a copy of the selected pair", "points.duplicate"),
        KeyBinding("toggle-pair", "e", "disable or enable the selected pair", "points.toggle_enabled"),
        KeyBinding("delete", "x,delete", "delete the selected pair", "points.delete"),
        KeyBinding(
            "cancel",
            "escape",
            "put back what is grabbed; leave the shape, photograph, or unfinished pair; pen up",
            "points.cancel",
        ),
    ),
    "Mask (where the image may move)": (
        KeyBinding("pen", "m", "mask: pen down or up; what it passes may move", "mask.toggle_pen"),
        KeyBinding("toggle-cell", "space", "toggle under the brush", "mask.toggle_cell"),
        KeyBinding("smaller-brush", "left_square_bracket", "smaller brush", "mask.resize_brush", (-1,), shown_keys="["),
        KeyBinding("larger-brush", "right_square_bracket", "larger brush", "mask.resize_brush", (1,), shown_keys="]"),
        KeyBinding("brush-shape", "b", "square or round brush", "mask.toggle_brush_shape"),
        KeyBinding("shape", "v", "a rectangle from here; again: an ellipse, none", "mask.next_shape"),
        KeyBinding("erase-shape", "backspace", "erase the shape", "mask.erase_shape"),
        KeyBinding("grow-mask", "greater_than_sign", "grow the mask", "mask.grow", (1,), shown_keys=">"),
        KeyBinding("shrink-mask", "less_than_sign", "shrink the mask", "mask.grow", (-1,), shown_keys="<"),
        KeyBinding("invert-mask", "i", "invert the mask", "mask.invert"),
        KeyBinding("clear-mask", "c", "clear the mask: everything may move", "mask.clear"),
        KeyBinding("inversion-mask", "r", "mask: what the model can show of the photograph", "photograph.request_mask"),
        KeyBinding("load-mask", "f", "load the mask from a file", "screen.open_load_mask"),
        KeyBinding("save-mask", "F", "save the mask to a PNG", "screen.open_save_mask"),
    ),
    "Drag": (
        KeyBinding("drag", "d", "drag: start it, or stop it", "drag.toggle_drag"),
        KeyBinding("lead", "D", "live: the image follows the cursor; D lets go", "drag.toggle_live_drag"),
        KeyBinding("one-step", "full_stop", "one step", "drag.drag_steps", shown_keys="."),
        KeyBinding("toggle-space", "w", "latent space: W or W+", "drag.switch_space"),
        KeyBinding("settings", "comma", "settings of the next drag, and ψ", "screen.open_settings", shown_keys=","),
    ),
    "History": (
        KeyBinding("undo", "u", "undo", "history.undo"),
        KeyBinding("redo", "ctrl+r", "redo", "history.redo"),
        KeyBinding(
            "step-back", "left_parenthesis", "a step back, within a drag too", "history.scrub", (-1,), shown_keys="("
        ),
        KeyBinding("step-on", "right_parenthesis", "a step on", "history.scrub", (1,), shown_keys=")"),
        KeyBinding(
            "drag-back",
            "left_curly_bracket",
            "back to where a drag ends or begins",
            "history.skip",
            (-1,),
            shown_keys="{",
        ),
        KeyBinding(
            "drag-on", "right_curly_bracket", "on to where a drag begins or ends", "history.skip", (1,), shown_keys="}"
        ),
        KeyBinding("branches", "B", "branches: go to one, compare with one", "screen.open_branches"),
        KeyBinding("before", "o", "compare: the image before, or after", "history.compare", ("before",)),
        KeyBinding(
            "split",
            "vertical_line",
            "compare: before left of the cursor, after right",
            "history.compare",
            ("split",),
            shown_keys="|",
        ),
        KeyBinding(
            "difference", "percent_sign", "compare: the difference", "history.compare", ("difference",), shown_keys="%"
        ),
    ),
    "Image and session": (
        KeyBinding("next-seed", "n", "next seed", "session.browse_seeds", (1,)),
        KeyBinding("previous-seed", "N", "previous seed", "session.browse_seeds", (-1,)),
        KeyBinding("next-class", "C", "next class", "session.browse_classes", (1,)),
        KeyBinding("previous-class", "V", "previous class", "session.browse_classes", (-1,)),
        KeyBinding("models", "M", "another model", "screen.open_models"),
        KeyBinding("photograph", "a", "a photograph of yours: align it, invert it", "screen.open_photograph"),
        KeyBinding("photograph-view", "A", "photograph, inversion, edit in the photograph", "photograph.view_next"),
        KeyBinding("save", "s", "save: the image too, in full resolution", "session.save"),
        KeyBinding("export", "E", "export: image, video, latent", "screen.open_export"),
        KeyBinding("restart-engine", "R", "restart the engine", "screen.restart_engine"),
        KeyBinding(
            "palette", "semicolon,ctrl+p", "all commands, and themes", "screen.open_palette", shown_keys="; Ctrl-P"
        ),
        KeyBinding("help", "question_mark", "help", "screen.open_help", shown_keys="?"),
        KeyBinding("redraw", "ctrl+l", "redraw the screen", "app.redraw"),
        KeyBinding("suspend", "ctrl+z", "suspend: fg comes back", "app.suspend_process"),
        KeyBinding("interrupt", "ctrl+c", "stop drag or inversion; at rest, quit", "screen.interrupt"),
        KeyBinding("quit", "q,ctrl+q", "quit", "screen.leave", shown_keys="q"),
    ),
}

COUNT_KEYS = tuple(KeyBinding(f"count-{digit}", str(digit), "", "view.type_digit", (digit,)) for digit in range(10))
"""They type the count of the next command: 12l moves by twelve."""

KEY_BINDINGS = {
    binding.id: binding for group_bindings in (*KEY_GROUPS.values(), COUNT_KEYS) for binding in group_bindings
}

MOUSE_HELP = {
    "click": "cursor",
    "drag": "a pair, from handle to target; from a point: moves it",
    "… pen down": "paints the mask (or stretches the shape)",
    "right": "deletes the point's pair",
    "wheel": "zooms",
}
"""What the mouse does, for the help."""
