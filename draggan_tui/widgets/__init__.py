"""Widgets. Each finds out its colours and its size, and leaves drawing to `rendering`."""
