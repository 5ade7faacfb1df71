"""Download files from the Hugging Face hub.

The hub says in the headers of its first answer which commit a revision is, and the SHA-256 and the size of a large file. Then
it redirects to another host, which sends the file. The user's token goes to the hub only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.checkpoint_file import DOWNLOADING, ReadProgress, printable_text
from draggan_engine.checkpoints.download.download_file import download_file
from draggan_engine.checkpoints.download.http_download import (
    DEFAULT_HTTP_LIMITS,
    HostToken,
    HttpLimits,
    explain_connect_error,
    explain_status,
    have_same_origin,
    open_client,
    resolve_redirect,
)
from draggan_engine.core.errors import DownloadError

from .hub_address import HubAddress, is_commit
from .hub_files import hub_download_path
from .hub_settings import HubSettings


@dataclass(frozen=True)
class HubFileFacts:
    """What the hub says about a file.

    Attributes:
        revision: the commit, or the revision that was asked for if the hub names none.
        sha256, size: of the whole file; None for a small file, which is not in the hub's large storage.
    """

    revision: str
    sha256: str | None
    size: int | None


def download_from_hub(
    address: HubAddress,
    settings: HubSettings,
    *,
    check: Callable[[Path], None],
    progress: ReadProgress,
    sha256: str | None = None,
    limits: HttpLimits = DEFAULT_HTTP_LIMITS,
) -> Path:
    """Download a file to `hub_download_path`, unless the same file is there, and return its path.

    Args:
        check: see `download_file`.
        sha256: the checksum that the file must have, if the user states one.

    Raises:
        DownloadError: the hub may not be asked, does not give the file, or gives another one than it says.
        InputError: the checksum is malformed.
        StorageError: the file cannot be written.
    """
    if settings.is_offline:
        raise DownloadError(
            f"{address} is not on this machine, and HF_HUB_OFFLINE is set; unset it to download the file"
        )
    token = None if settings.token is None else HostToken(settings.endpoint, settings.token)
    facts = ask_hub(address, settings, token, limits)
    if sha256 is not None and facts.sha256 not in (None, sha256.lower()):
        raise DownloadError(
            f"{address}: the hub says that its SHA-256 is {facts.sha256}, and it should be {sha256.lower()}; "
            "check the address and the checksum"
        )

    def report_progress(done: int, total: int | None) -> None:
        if None not in (total, facts.size) and total != facts.size:
            raise DownloadError(
                f"{address}: the file has {total} bytes, and the hub says that it has {facts.size}; try again later"
            )
        progress(DOWNLOADING, done, total or facts.size or 0)

    downloaded_file = download_file(
        address.url(settings.endpoint, facts.revision),
        hub_download_path(address),
        sha256=facts.sha256 or sha256,
        checksums_path=registry.download_checksums_path(),
        check=check,
        progress=report_progress,
        token=token,
        limits=limits,
    )
    return downloaded_file.path


def ask_hub(address: HubAddress, settings: HubSettings, token: HostToken | None, limits: HttpLimits) -> HubFileFacts:
    """Return what the hub says about a file. Redirects on the hub, as for a renamed repository, are followed.

    Raises:
        DownloadError: the hub cannot be reached, or does not give the file.
    """
    first_url = address.url(settings.endpoint, address.revision)
    url = httpx.URL(first_url)
    with open_client(limits) as client:
        for _ in range(limits.max_redirects + 1):
            headers = {"Accept-Encoding": "identity", **({} if token is None else token.headers_for(url))}
            try:
                response = client.head(url, headers=headers)
            except httpx.TransportError as error:
                raise DownloadError(explain_connect_error(str(address), str(url), error)) from error
            if not response.has_redirect_location:
                break
            next_url = resolve_redirect(first_url, url, response.headers["Location"])
            if "X-Linked-Etag" in response.headers or not have_same_origin(url, next_url):
                break
            url = next_url
        else:
            raise DownloadError(f"{address}: the hub redirects more than {limits.max_redirects} times; try again later")
    if response.is_error:
        raise DownloadError(f"{address}: {_explain_refusal(address, settings, response)}")
    return _read_facts(address, response.headers)


def _read_facts(address: HubAddress, headers: httpx.Headers) -> HubFileFacts:
    commit = headers.get("X-Repo-Commit", "")
    sha256 = headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"').lower()
    size_text = headers.get("X-Linked-Size", "")
    return HubFileFacts(
        revision=commit if is_commit(commit) else address.revision,
        sha256=sha256 if re.fullmatch(r"[0-9a-f]{64}", sha256) else None,
        size=int(size_text) if re.fullmatch(r"\d{1,18}", size_text) else None,
    )


def _explain_refusal(address: HubAddress, settings: HubSettings, response: httpx.Response) -> str:
    status = f"{response.status_code} {response.reason_phrase}".strip()
    page = address.page(settings.endpoint)
    error_code = response.headers.get("X-Error-Code", "")
    login = "log in with the hub's own tool (hf auth login) or set HF_TOKEN"
    if error_code == "GatedRepo":
        if settings.token is None:
            return f"the repository is gated ({status}); accept its conditions at {page} in a browser, then {login}"
        return (
            f"the repository is gated ({status}), and the account of the token in {settings.token_source} has no access; "
            f"ask for it at {page} in a browser"
        )
    if error_code == "RevisionNotFound":
        return (
            f"the repository has no revision {printable_text(address.revision)} ({status}); {page} lists its branches"
        )
    if error_code == "EntryNotFound":
        return f"the repository has no such file in revision {printable_text(address.revision)} ({status}); {page} lists its files"
    if error_code == "RepoNotFound" or response.status_code in (401, 403):
        if settings.token is None:
            return f"there is no such repository, or it is private ({status}); check its name, or {login}"
        return (
            f"there is no such repository, or the token in {settings.token_source} is not valid for it ({status}); "
            "check the name and the token"
        )
    return explain_status(response)
