"""The keys of the editor. Each binding has an id, so that a user's key map can change it."""

from __future__ import annotations

from textual.binding import Binding, BindingType

# Topic → bindings. The footer shows those with `show`, by their descriptions; help and the palette say more, see `what`.
KEYS: dict[str, tuple[Binding, ...]] = {
    "Move": (
        Binding("left,h", "move(-1,0)", "left", show=False, id="left"),
        Binding("down,j", "move(0,1)", "down", show=False, id="down"),
        Binding("up,k", "move(0,-1)", "up", show=False, id="up"),
        Binding("right,l", "move(1,0)", "right", show=False, id="right"),
        Binding("H,shift+left", "move(-8,0)", "8 to the left", show=False, id="left8"),
        Binding("J,shift+down", "move(0,8)", "8 down", show=False, id="down8"),
        Binding("K,shift+up", "move(0,-8)", "8 up", show=False, id="up8"),
        Binding("L,shift+right", "move(8,0)", "8 to the right", show=False, id="right8"),
        Binding("home", "edge(-1,0)", "left edge", show=False, id="left-edge"),
        Binding("end", "edge(1,0)", "right edge", show=False, id="right-edge"),
        Binding("pageup", "edge(0,-1)", "top edge", show=False, id="top-edge"),
        Binding("pagedown", "edge(0,1)", "bottom edge", show=False, id="bottom-edge"),
    ),
    "View": (
        Binding(
            "plus,equals_sign", "zoom(1)", "zoom in; 3+ by three steps", show=False, id="zoom-in", key_display="+ ="
        ),
        Binding("minus", "zoom(-1)", "zoom out", show=False, id="zoom-out", key_display="-"),
        Binding("z", "fit", "zoom to the whole image", show=False, id="zoom-fit"),
        Binding("p", "side_panel", "hide or show the panels beside the image", show=False, id="side-panel"),
        Binding("P", "image_only", "hide or show all but the image", show=False, id="image-only"),
        Binding("colon", "goto", "to typed coordinates: 64,70 or +3,-2", show=False, id="goto", key_display=":"),
    ),
    "Points": (
        Binding(
            "enter",
            "place",
            "place",
            id="place",
            tooltip="handle, then its target (same spot: a pin); sets the shape, drops the grab",
        ),
        Binding("t", "retarget", "selected pair's target here", show=False, id="retarget"),
        Binding("tab", "select(1)", "next pair", show=False, id="next-pair"),
        Binding("shift+tab", "select(-1)", "previous pair", show=False, id="previous-pair"),
        Binding("g", "grab('handle')", "grab the handle: it goes with the cursor", show=False, id="grab"),
        Binding("G", "grab('target')", "grab the target", show=False, id="grab-target"),
        # Each above the key of its direction in hjkl; every terminal sends them.
        Binding("Y", "nudge(-1,0)", "nudge the handle by a pixel: left", show=False, id="nudge-left"),
        Binding("U", "nudge(0,1)", "nudge down", show=False, id="nudge-down"),
        Binding("I", "nudge(0,-1)", "nudge up", show=False, id="nudge-up"),
        Binding("O", "nudge(1,0)", "nudge right", show=False, id="nudge-right"),
        Binding("y", "duplicate", "a copy of the selected pair", show=False, id="duplicate"),
        Binding("e", "toggle_pair", "disable or enable the selected pair", show=False, id="toggle-pair"),
        Binding("x,delete", "delete", "delete the selected pair", show=False, id="delete"),
        Binding(
            "escape",
            "cancel",
            "put back what is grabbed; leave the shape, or the unfinished pair; pen up",
            show=False,
            id="cancel",
        ),
    ),
    "Mask (where the image may move)": (
        Binding("m", "pen", "mask", id="pen", tooltip="mask: pen down or up; what it passes may move"),
        Binding("space", "toggle_cell", "toggle under the brush", show=False, id="toggle-cell"),
        Binding("left_square_bracket", "brush(-1)", "smaller brush", show=False, id="smaller-brush", key_display="["),
        Binding("right_square_bracket", "brush(1)", "larger brush", show=False, id="larger-brush", key_display="]"),
        Binding("b", "reshape_brush", "square or round brush", show=False, id="brush-shape"),
        Binding("v", "shape", "a rectangle from here; again: an ellipse, none", show=False, id="shape"),
        Binding("backspace", "erase_shape", "erase the shape", show=False, id="erase-shape"),
        Binding("greater_than_sign", "grow_mask(1)", "grow the mask", show=False, id="grow-mask", key_display=">"),
        Binding("less_than_sign", "grow_mask(-1)", "shrink the mask", show=False, id="shrink-mask", key_display="<"),
        Binding("i", "invert_mask", "invert the mask", show=False, id="invert-mask"),
        Binding("c", "clear_mask", "clear the mask: everything may move", show=False, id="clear-mask"),
        Binding("f", "load_mask", "load the mask from a file", show=False, id="load-mask"),
        Binding("F", "save_mask", "save the mask to a PNG", show=False, id="save-mask"),
    ),
    "Drag": (
        Binding("d", "drag", "drag", id="drag", tooltip="drag: start it, or stop it"),
        Binding("D", "lead", "live: the image follows the cursor; D lets go", show=False, id="lead"),
        Binding("full_stop", "one_step", "one step", show=False, id="one-step", key_display="."),
        Binding("w", "toggle_space", "latent space: W or W+", show=False, id="toggle-space"),
        Binding(
            "comma", "settings", "settings", id="settings", key_display=",", tooltip="settings of the next drag, and ψ"
        ),
    ),
    "History": (
        Binding("u", "undo", "undo", id="undo"),
        Binding("ctrl+r", "redo", "redo", show=False, id="redo"),
        Binding(
            "left_parenthesis",
            "scrub(-1)",
            "a step back, within a drag too",
            show=False,
            id="step-back",
            key_display="(",
        ),
        Binding("right_parenthesis", "scrub(1)", "a step on", show=False, id="step-on", key_display=")"),
        Binding(
            "left_curly_bracket",
            "skip(-1)",
            "back to where a drag ends or begins",
            show=False,
            id="drag-back",
            key_display="{",
        ),
        Binding(
            "right_curly_bracket",
            "skip(1)",
            "on to where a drag begins or ends",
            show=False,
            id="drag-on",
            key_display="}",
        ),
        Binding("B", "branches", "branches: go to one, compare with one", show=False, id="branches"),
        Binding("o", "compare('before')", "compare: the image before, or after", show=False, id="before"),
        Binding(
            "vertical_line",
            "compare('split')",
            "compare: before left of the cursor, after right",
            show=False,
            id="split",
            key_display="|",
        ),
        Binding(
            "percent_sign",
            "compare('difference')",
            "compare: the difference",
            show=False,
            id="difference",
            key_display="%",
        ),
    ),
    "Image and session": (
        Binding("n", "reseed(1)", "next seed", id="next-seed"),
        Binding("N", "reseed(-1)", "previous seed", show=False, id="previous-seed"),
        Binding("C", "reclass(1)", "next class", show=False, id="next-class"),
        Binding("V", "reclass(-1)", "previous class", show=False, id="previous-class"),
        Binding("M", "models", "another model", show=False, id="models"),
        Binding("s", "save", "save", id="save", tooltip="save: the image too, in full resolution"),
        Binding("E", "export", "export: image, video, latent", show=False, id="export"),
        Binding("R", "restart_engine", "restart the engine", show=False, id="restart-engine"),
        Binding(
            "semicolon,ctrl+p", "palette", "all commands, and themes", show=False, id="palette", key_display="; Ctrl-P"
        ),
        Binding("question_mark", "help", "help", id="help", key_display="?"),
        Binding("ctrl+l", "app.redraw", "redraw the screen", show=False, id="redraw"),
        Binding("ctrl+z", "app.suspend_process", "suspend: fg comes back", show=False, id="suspend"),
        Binding("ctrl+c", "interrupt", "stop the drag; at rest, quit", show=False, id="interrupt"),
        Binding("q,ctrl+q", "leave", "quit", id="quit", key_display="q"),
    ),
}

# What the mouse does → what the help says.
MOUSE = {
    "click": "cursor",
    "drag": "a pair, from handle to target; from a point: moves it",
    "… pen down": "paints the mask (or stretches the shape)",
    "right": "deletes the point's pair",
    "wheel": "zooms",
}

# 12l moves by twelve.
COUNTS = tuple(Binding(str(digit), f"count({digit})", show=False, id=f"count-{digit}") for digit in range(10))

BINDINGS: list[BindingType] = [*(binding for topic in KEYS.values() for binding in topic), *COUNTS]


def what(binding: Binding) -> str:
    """What a key does, for help and palette; its description where the footer needs no shorter one."""
    return binding.tooltip or binding.description
