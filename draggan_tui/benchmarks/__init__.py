"""What `draggan-tui bench` measures: the real program on a terminal of its own, beside what it is compared with, turn by turn."""
