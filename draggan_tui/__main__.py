"""`draggan-tui` and `python -m draggan_tui`."""

import gc
import sys


def main() -> None:
    # Imports make no garbage; collecting it takes a fifth of the time until the editor has started.
    gc.disable()
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
