"""`draggan-tui` and `python -m draggan_tui`."""

import gc
import os
import sys


def main() -> None:
    # Imports make no garbage; to look for it all the time took a fifth of the editor's start.
    gc.disable()
    # Else pydantic looks through all installed packages for plugins, here and in the engine.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from draggan_tui.cli import startup

        startup.prepare_process()
        try:
            from draggan_tui.cli.main import app

            app(prog_name="draggan-tui")
        finally:
            startup.end_of_process()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
