"""The edit as data: values, pure functions and errors that the editor and the engine share. No files, no torch."""
