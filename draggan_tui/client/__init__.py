"""The only access of the screen to the engine process."""
