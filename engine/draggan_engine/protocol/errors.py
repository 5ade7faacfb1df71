"""The one exception tree. A message says what happened, to which file or field, and what to do.

DragganError                 anything that a user may see; exit code 1
├── InputError               what the user gave cannot be used; exit code 2
│   ├── CheckpointError      a model file: missing, truncated, foreign, hostile
│   ├── EditError            a point, a mask or a setting
│   ├── DeviceError          a device that is not there
│   ├── ThemeError           a theme file
│   ├── ConfigError          the configuration file
│   └── OutputError          an output path that cannot become a folder or a file
├── DownloadError            a file could not be had from the network, or is not the one it should be
├── StorageError             a write failed: full disk, no permission
├── EngineError              the engine process is gone or broke
└── BenchmarkError           a program that is measured does not do what it should
"""

from __future__ import annotations


class DragganError(Exception):
    """Base of all; `str(error)` is one line for the user."""

    exit_code = 1


class InputError(DragganError):
    exit_code = 2


class CheckpointError(InputError):
    pass


class EditError(InputError):
    pass


class DeviceError(InputError):
    pass


class ThemeError(InputError):
    pass


class ConfigError(InputError):
    pass


class OutputError(InputError):
    pass


class DownloadError(DragganError):
    pass


class StorageError(DragganError):
    pass


class EngineError(DragganError):
    pass


class BenchmarkError(DragganError):
    pass
