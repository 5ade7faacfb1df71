"""What a drag costs, beside the same drag done plainly."""
