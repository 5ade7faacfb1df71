"""What the terminal can do, and the driver that talks to it."""
