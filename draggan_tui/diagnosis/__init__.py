"""What `draggan-tui doctor` looks at."""
