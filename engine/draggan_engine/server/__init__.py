"""The engine process: it takes commands from a client and sends events back."""
