"""The network's side of a download: requests, redirects, ranges, and answers that are no file."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from draggan_engine.core.errors import DownloadError

from .partial_download import CHUNK_BYTES, PartialDownload, RemoteFile

RETRY_DELAYS = (
    0.5,
    1.0,
    2.0,
)  # seconds before each further try that follows one without progress; after the last, an error
MAX_REDIRECTS = 10
HTTP_TIMEOUT = httpx.Timeout(30.0, connect=15.0)  # seconds without a byte
_SECONDS_PER_WRITE = 0.25  # a slow line is written, and shown, this often though its chunk is not full

DownloadProgress = Callable[[int, int | None], None]
"""Told the bytes there so far, and those of the whole file (None: the server does not say)."""


class _BrokenOff(Exception):
    """A try ended early; another may go on from there. Its message says how."""


def open_http_client() -> httpx.Client:
    try:
        return httpx.Client(timeout=HTTP_TIMEOUT, headers={"User-Agent": "draggan-tui"})
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:  # it reads the environment
        raise DownloadError(
            f"the network settings of this shell cannot be used ({error}); see to HTTPS_PROXY, SSL_CERT_FILE and their like"
        ) from error


def fetch_file(client: httpx.Client, url: str, part: PartialDownload, progress: DownloadProgress) -> None:
    """Until the part is whole. A try that brought the part further than it ever was gives the next ones a new start."""
    furthest, fruitless = part.size, 0
    while True:
        try:
            _transfer(client, url, part, progress)
            return
        except _BrokenOff as broken:
            if part.size > furthest:
                furthest, fruitless = part.size, 0
            if fruitless == len(RETRY_DELAYS):
                raise DownloadError(
                    f"{url}: the download broke off again and again ({broken}); {_kept(part)}"
                ) from broken.__cause__
            time.sleep(RETRY_DELAYS[fruitless])
            fruitless += 1


def _kept(part: PartialDownload) -> str:
    if part.size and part.entity is not None and part.entity.validator is not None:
        return f"run the same command again later to go on: {part.size} bytes are kept in {part.path}"
    return "run the same command again later"


def _transfer(client: httpx.Client, url: str, part: PartialDownload, progress: DownloadProgress) -> None:
    """One request and its answer."""
    headers = {"Accept-Encoding": "identity"}  # sizes and ranges must count the bytes of the file itself
    entity = part.entity if part.size else None
    if entity is not None and entity.validator is not None:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": entity.validator}
    else:
        entity = None
    try:
        with _answer(client, url, headers) as response:
            _refuse_what_is_no_file(url, response, part, resuming=entity is not None)
            total = _accept(url, response, part, entity)
            progress(part.size, total)
            for block in _chunks(response):
                part.append(block)
                progress(part.size, total)
    except httpx.TransportError as error:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError) and not part.received_bytes:
            raise DownloadError(_unreachable(url, error)) from error
        raise _BrokenOff(_plain(error)) from error
    if total is not None and part.size != total:
        if part.size > total:
            part.begin(None)
        raise _BrokenOff(f"{part.size} bytes came and {total} were announced")
    if not part.size:
        raise DownloadError(f"{url}: the server sent an empty file; check the address, or try again later")


@contextmanager
def _answer(client: httpx.Client, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """The answer at the end of all redirects."""
    here = httpx.URL(url)
    for _ in range(MAX_REDIRECTS + 1):
        with client.stream("GET", here, headers=headers) as response:
            if not response.has_redirect_location:
                yield response
                return
            here = _next_hop(url, here, response.headers["Location"])
    raise DownloadError(f"{url}: the server redirects more than {MAX_REDIRECTS} times; check the address")


def _next_hop(url: str, here: httpx.URL, location: str) -> httpx.URL:
    """Where a redirect leads.

    Raises:
        DownloadError: nowhere that may be gone to.
    """
    try:
        there = here.join(location)
    except httpx.InvalidURL as error:
        raise DownloadError(
            f"{url}: the server redirects to {location!r}, which is not an address; try later"
        ) from error
    if there.scheme not in ("http", "https") or not there.host:
        raise DownloadError(f"{url}: the server redirects to {there.scheme}:, which is not the web; check the address")
    if here.scheme == "https" and there.scheme == "http":
        raise DownloadError(
            f"{url}: the server redirects from https to http ({there.host}), where anybody on the way could swap the "
            "file; look for an https address of it"
        )
    return there


def _refuse_what_is_no_file(url: str, response: httpx.Response, part: PartialDownload, *, resuming: bool) -> None:
    """
    Raises:
        DownloadError: the answer is not the file, nor a part of it.
        _BrokenOff: the server has nothing beyond what the part has; the part is emptied.
    """
    status = response.status_code
    if resuming and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.begin(None)
        raise _BrokenOff("the server has no such part of the file (416)")
    if status != httpx.codes.OK and not (resuming and status == httpx.codes.PARTIAL_CONTENT):
        raise DownloadError(f"{url}: {_status_text(response)}")
    if response.headers.get("Content-Type", "").strip().lower().startswith(("text/html", "application/xhtml")):
        raise DownloadError(
            f"{url}: the server sent a web page and not a file, as where one must log in or agree to something; open the "
            "address in a browser and get the file by hand"
        )
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise DownloadError(
            f"{url}: the server sent the file compressed ({encoding}), though asked not to; get it with a browser"
        )


def _status_text(response: httpx.Response) -> str:
    status = f"{response.status_code} {response.reason_phrase}".strip()
    match response.status_code:
        case 401 | 403 | 407:
            return (
                f"the server does not give it to everybody ({status}); get it by hand from the page that describes it"
            )
        case 404 | 410:
            return f"there is no such file ({status}); look at the page that describes it for where it went"
        case 429:
            after = response.headers.get("Retry-After", "")
            wait = f"{after} seconds" if after.isdigit() else "some minutes"
            return f"the server has had too many requests ({status}); run the same command again in {wait}"
        case code if code >= 500:
            return f"the server is in trouble ({status}); run the same command again later"
        case _:
            return f"the server answered with no file ({status}); check the address"


def _accept(url: str, response: httpx.Response, part: PartialDownload, entity: RemoteFile | None) -> int | None:
    """Readies the part for the bytes that follow; the size of the whole file, if the server says it.

    Raises:
        _BrokenOff: they are not those that were asked for; the part is emptied.
    """
    validator = _validator(response.headers)
    if response.status_code == httpx.codes.OK or entity is None:  # the whole file: new, changed, or it knows no ranges
        whole = RemoteFile(url=url, validator=validator, total=_number(response.headers.get("Content-Length", "")))
        part.begin(whole)
        return whole.total
    place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    total = _number(place[2]) if place else None
    if (
        place is None
        or int(place[1]) != part.size
        or (validator is not None and validator != entity.validator)
        or (total is not None and entity.total is not None and total != entity.total)
    ):
        part.begin(None)
        raise _BrokenOff("the server sent another part of the file than it was asked for")
    return entity.total if total is None else total


def _validator(headers: httpx.Headers) -> str | None:
    """What If-Range may hold: a weak ETag may not, for two files that differ can share one."""
    etag = str(headers.get("ETag", "")).strip()
    return (etag if etag.startswith('"') else str(headers.get("Last-Modified", "")).strip()) or None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text.strip()) else None


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces that are worth a write. What came before a break is handed out before the break is raised."""
    held = bytearray()
    last = time.monotonic()
    broken: httpx.TransportError | None = None
    try:
        for block in response.iter_raw():
            held += block
            if len(held) >= CHUNK_BYTES or time.monotonic() - last >= _SECONDS_PER_WRITE:
                yield bytes(held)
                held.clear()
                last = time.monotonic()
    except httpx.TransportError as error:
        broken = error
    if held:
        yield bytes(held)
    if broken is not None:
        raise broken


def _unreachable(url: str, error: httpx.TransportError) -> str:
    host = httpx.URL(url).host
    causes = list(_causes(error))
    if isinstance(error, httpx.ProxyError):
        return f"{url}: the proxy does not let it through ({_plain(error)}); see to HTTPS_PROXY and its like"
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", "") or "its certificate is not valid"
            return (
                f"{url}: the server cannot prove that it is {host} ({why}); check this machine's date, and whether "
                "something on the way (a company's proxy, a log-in page) answers instead"
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"{url}: no secure connection to {host} came about ({cause.reason or _plain(error)}); check the address"
            )
        if isinstance(cause, socket.gaierror):
            return f"{url}: the name {host} cannot be resolved; check the address and the network"
    return f"{url}: {host} cannot be reached ({_plain(error)}); check the network, or try again later"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _plain(error: httpx.TransportError) -> str:
    """What happened on the line, in a few words on one line."""
    if isinstance(error, httpx.TimeoutException):
        return "the server did not answer in time"
    return " ".join(str(error).split()) or type(error).__name__
