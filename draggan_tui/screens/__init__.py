"""The screens: the editor and what opens over it."""
