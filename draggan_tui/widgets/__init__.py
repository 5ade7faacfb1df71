"""Widgets: each resolves its style and leaves drawing to `renderables`."""
