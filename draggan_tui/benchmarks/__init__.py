"""What `draggan-tui bench` measures: the real program in a pseudo-terminal, in turn with what it is compared with."""
