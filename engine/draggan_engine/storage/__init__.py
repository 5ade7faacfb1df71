"""Sessions, images, videos and latents on disk. Torch is not imported here."""
