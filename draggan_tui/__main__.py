"""`draggan-tui` and `python -m draggan_tui`."""

import gc


def main() -> None:
    # Imports make no garbage; to look for it all the time took a fifth of the editor's start.
    gc.disable()
    from draggan_tui.cli import app

    app(prog_name="draggan-tui")


if __name__ == "__main__":
    main()
