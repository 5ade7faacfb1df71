"""Model files in the wild → networks that are ready; nothing that a file carries is ever run."""
