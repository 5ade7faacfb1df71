"""What is drawn, as pure functions: images and overlays to terminal cells, and state to text."""
