"""Models of the Hugging Face hub: addresses, the user's own cache of it, and downloads."""
