"""The state of the editor and the commands that change it, without a screen."""
