"""The keys of the editor. Each binding has an id, so that a user's key map can change it."""

from __future__ import annotations

from textual.binding import Binding, BindingType

# Topic → (binding, what the help says). The footer shows those with `show`.
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
    "Points": (
        Binding("enter", "place", "place", id="place"),
        Binding("t", "retarget", "selected pair's target here", show=False, id="retarget"),
        Binding("tab", "select(1)", "next pair", show=False, id="next-pair"),
        Binding("shift+tab", "select(-1)", "previous pair", show=False, id="previous-pair"),
        Binding("x,delete", "delete", "delete the selected pair", show=False, id="delete"),
        Binding("escape", "cancel", "leave the shape, or drop the unfinished pair; pen up", show=False, id="cancel"),
    ),
    "Mask (where the picture may move)": (
        Binding("m", "pen", "mask", id="pen"),
        Binding("space", "toggle_cell", "toggle under the brush", show=False, id="toggle-cell"),
        Binding("left_square_bracket", "brush(-1)", "smaller brush", show=False, id="smaller-brush", key_display="["),
        Binding("right_square_bracket", "brush(1)", "larger brush", show=False, id="larger-brush", key_display="]"),
        Binding("b", "reshape_brush", "square or round brush", show=False, id="brush-shape"),
        Binding("v", "shape", "rectangle from here; ellipse; none (Enter sets)", show=False, id="shape"),
        Binding("backspace", "erase_shape", "erase the shape", show=False, id="erase-shape"),
        Binding(
            "greater_than_sign", "grow_mask(1)", "grow by one; 3> by three", show=False, id="grow-mask", key_display=">"
        ),
        Binding("less_than_sign", "grow_mask(-1)", "shrink by one", show=False, id="shrink-mask", key_display="<"),
        Binding("i", "invert_mask", "invert", show=False, id="invert-mask"),
        Binding("c", "clear_mask", "clear", show=False, id="clear-mask"),
    ),
    "Drag": (
        Binding("d", "drag", "drag", id="drag"),
        Binding("full_stop", "one_step", "one step", show=False, id="one-step", key_display="."),
        Binding("w", "toggle_space", "W / W+", show=False, id="toggle-space"),
        Binding("comma", "settings", "settings", id="settings", key_display=","),
    ),
    "Picture and session": (
        Binding("n", "reseed(1)", "seed", id="next-seed", key_display="n/N"),
        Binding("N", "reseed(-1)", "previous seed", show=False, id="previous-seed"),
        Binding("C", "reclass(1)", "next class", show=False, id="next-class"),
        Binding("V", "reclass(-1)", "previous class", show=False, id="previous-class"),
        Binding("M", "models", "another model", show=False, id="models"),
        Binding("u", "undo", "undo", id="undo"),
        Binding("ctrl+r", "redo", "redo", show=False, id="redo"),
        Binding("s", "save", "save", id="save"),
        Binding("R", "restart_engine", "restart the engine", show=False, id="restart-engine"),
        Binding("question_mark", "help", "help", id="help", key_display="?"),
        Binding("q,ctrl+q,ctrl+c", "leave", "quit", id="quit", key_display="q"),
    ),
}

# 12l moves by twelve.
COUNTS = tuple(Binding(str(digit), f"count({digit})", show=False, id=f"count-{digit}") for digit in range(10))

BINDINGS: list[BindingType] = [*(binding for topic in KEYS.values() for binding in topic), *COUNTS]
