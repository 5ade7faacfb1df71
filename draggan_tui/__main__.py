"""`draggan-tui` and `python -m draggan_tui`."""

import gc


def main() -> None:
    # Imports make no garbage; to look for it after every 700 new objects took a fifth of the start.
    gc.set_threshold(100_000)
    from draggan_tui.cli import app

    app(prog_name="draggan-tui")


if __name__ == "__main__":
    main()
