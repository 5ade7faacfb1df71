"""The editor's commands by topic."""
