"""The editor's commands by topic: plain functions that take a `CommandContext`."""
