"""The command line: a module for each command, and modules beside it for longer work."""
