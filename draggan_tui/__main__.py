"""`draggan-tui` and `python -m draggan_tui`."""

from draggan_tui.cli import app


def main() -> None:
    app(prog_name="draggan-tui")


if __name__ == "__main__":
    main()
