"""The one exception tree. A message says what happened, to which file or field, and what to do.

DragganError                 anything that a user may see; exit code 1
├── InputError               what the user gave cannot be used; exit code 2
│   ├── CheckpointError      a model file: missing, truncated, foreign, hostile
│   ├── EditError            a point, a mask or a setting
│   ├── DeviceError          a device that is not there
│   ├── ThemeError           a theme file
│   ├── ConfigError          the configuration file
│   └── OutputError          an output path that cannot become a directory or a file
├── DownloadError            a file could not be downloaded, or its content is not as expected
├── StorageError             a write failed: full disk, no permission
├── EngineError              the engine process is gone or broke
└── BenchmarkError           a measured program does not do what it should
"""

from __future__ import annotations

import errno
from enum import StrEnum
from pathlib import Path


class Remedy(StrEnum):
    """What mends an error, where only a client can say how: with a command, an option or a key."""

    choose_model = "choose a model"
    choose_own_model = "choose a model that can be removed"
    download_model = "download the model"
    import_model = "import the model"
    start_from_latent = "start from the latent"
    choose_model_name = "choose another name for the model"
    open_session = "open the session"
    choose_session = "choose a session"
    use_cpu = "use the CPU"
    place_target = "place the target"
    paint_mask = "paint a mask"
    paint_shape = "paint the shape"
    clear_mask = "clear the mask"
    align_photograph = "say how to align the photograph"
    give_eyes = "give the eyes of the photograph"


class DragganError(Exception):
    """Base of all; `str(error)` is one line for the user.

    Attributes:
        exit_code: the exit status of a command that fails with this error.
        remedy: what a client adds to the message, in its own words.
    """

    exit_code = 1

    def __init__(self, message: str = "", remedy: Remedy | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


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
    @classmethod
    def of(cls, path: Path, write_error: OSError) -> StorageError:
        """Return the error for a file or directory that could not be written."""
        return cls(
            f"{path} could not be written ({write_error.strerror or write_error}); {storage_advice(write_error)}"
        )


class EngineError(DragganError):
    pass


class BenchmarkError(DragganError):
    pass


_ADVICE = {
    (errno.ENOSPC, errno.EDQUOT): "free some space or choose another directory",
    (errno.EFBIG,): "raise the limit on the size of files (ulimit -f) or choose another directory",
    (errno.EACCES, errno.EPERM, errno.EROFS): "choose a directory that you may write to",
    (errno.ENOENT,): "its directory is not there, or takes no new files: make it, or choose another",
    (errno.ENOTDIR, errno.EISDIR, errno.EEXIST): "something else has that name: choose another",
    (errno.ENAMETOOLONG,): "choose a shorter name",
    (errno.EMFILE, errno.ENFILE): "close other programs or raise the limit on open files (ulimit -n)",
    (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO): "check the disk or choose another directory",
}


def storage_advice(write_error: OSError) -> str:
    """Return what a person can do about a write that failed."""
    for error_numbers, advice in _ADVICE.items():
        if write_error.errno in error_numbers:
            return advice
    return "choose another directory"
