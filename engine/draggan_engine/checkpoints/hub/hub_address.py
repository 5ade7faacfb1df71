"""Addresses of files on the Hugging Face hub: `hf://ORGANISATION/REPOSITORY[@REVISION]/PATH`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from draggan_engine.checkpoints.checkpoint_file import printable_text
from draggan_engine.core.errors import CheckpointError

SCHEME = "hf://"
DEFAULT_REVISION = "main"
_NAME = re.compile(r"(?!.*(\.\.|--))[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"(?!.*(\.\.|//))[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PULL_REQUEST = re.compile(r"refs/[^/]+/[^/]+")
_OTHER_REPOSITORIES = ("datasets", "spaces")
_ADVICE = f"write {SCHEME}ORGANISATION/REPOSITORY/PATH, or {SCHEME}ORGANISATION/REPOSITORY@REVISION/PATH"


@dataclass(frozen=True)
class HubAddress:
    """A file in a model repository.

    Attributes:
        revision: a branch, a tag, `refs/pr/N`, or the 40 digits of a commit.
        path: of the file in the repository, with slashes.
    """

    organisation: str
    repository: str
    revision: str
    path: str

    def __str__(self) -> str:
        revision = "" if self.revision == DEFAULT_REVISION else f"@{self._revision_text()}"
        return f"{SCHEME}{self.organisation}/{self.repository}{revision}/{self.path}"

    def _revision_text(self) -> str:
        return self.revision if _PULL_REQUEST.fullmatch(self.revision) else quote(self.revision, safe="+")

    def url(self, endpoint: str, revision: str) -> str:
        """Return the address of the file in a revision over HTTP."""
        return f"{self.page(endpoint)}/resolve/{quote(revision, safe='')}/{quote(self.path)}"

    def page(self, endpoint: str) -> str:
        """Return the address of the repository's page."""
        return f"{endpoint}/{self.organisation}/{self.repository}"


def is_hub_address(spec: str) -> bool:
    """Return whether a text means a file on the hub, though it may be malformed."""
    return spec.startswith(SCHEME)


def is_commit(revision: str) -> bool:
    """Return whether a revision is a commit, which never changes."""
    return _COMMIT.fullmatch(revision) is not None


def parse_hub_address(spec: str) -> HubAddress:
    """Return the address that a text states.

    Raises:
        CheckpointError: it is malformed, or means a repository that holds no models.
    """
    organisation, _, rest = spec.removeprefix(SCHEME).partition("/")
    repository_text, _, path = rest.partition("/")
    repository, at_sign, revision = repository_text.partition("@")
    if organisation in _OTHER_REPOSITORIES:
        raise CheckpointError(
            f"{printable_text(spec)}: only the hub's model repositories can be used, not its {organisation}"
        )
    if revision == "refs":  # the only revisions with slashes that need not be written with %2F
        kind, _, path = path.partition("/")
        name, _, path = path.partition("/")
        revision = f"refs/{kind}/{name}"
    revision = unquote(revision) if at_sign else DEFAULT_REVISION
    is_valid = (
        _NAME.fullmatch(organisation)
        and _NAME.fullmatch(repository)
        and _REVISION.fullmatch(revision)
        and path.isprintable()
        and not {"", ".", ".."} & set(path.split("/"))
        and "\\" not in path
    )
    if not is_valid:
        raise CheckpointError(f"{printable_text(spec)}: this is not the address of a file on the hub; {_ADVICE}")
    return HubAddress(organisation, repository, revision, path)
