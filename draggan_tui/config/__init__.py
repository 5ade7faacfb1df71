"""The settings file, the program's own directories, and themes."""
