"""What the screen and the engine say to each other. No torch, no textual: both sides import this."""
