"""Receive a file over HTTP: requests, redirects, ranges, retries, and answers that are not the file."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from draggan_engine.core.errors import DownloadError

from .partial_download import CHUNK_BYTES, VALIDATOR_PATTERN, PartialDownload, RemoteFile

_MAX_WRITE_INTERVAL = 0.25  # seconds; on a slow connection a chunk is written, and shown, before it is full

DownloadProgress = Callable[[int, int | None], None]
"""Called with the number of bytes received so far and the size of the whole file (None: the server does not state it)."""


@dataclass(frozen=True)
class HttpLimits:
    """How patient a download is.

    Attributes:
        retry_delays: seconds before each retry that follows a try without progress. When all are used, the download fails.
        timeout: seconds without a byte after which a try ends.
        connect_timeout: seconds after which an attempt to connect ends.
    """

    retry_delays: tuple[float, ...] = (0.5, 1.0, 2.0)
    timeout: float = 30.0
    connect_timeout: float = 15.0
    max_redirects: int = 10


DEFAULT_HTTP_LIMITS = HttpLimits()


@dataclass(frozen=True)
class HostToken:
    """An access token that only one host may get.

    Attributes:
        host_url: an address of that host; a request goes to that host if scheme, host and port are the same.
    """

    host_url: str
    token: str = field(repr=False)

    def headers_for(self, url: httpx.URL) -> dict[str, str]:
        """Return the header with the token for a request to that host, and nothing for a request to another one."""
        is_allowed = have_same_origin(url, httpx.URL(self.host_url))
        return {"Authorization": f"Bearer {self.token}"} if is_allowed else {}


class _InterruptedTry(Exception):
    """A try has ended early, and another can follow. The message says why."""


def receive_file(
    url: str, part: PartialDownload, progress: DownloadProgress, limits: HttpLimits, token: HostToken | None = None
) -> None:
    """Receive the rest of a file. Each try that makes progress allows all retries again.

    Args:
        token: sent to its host until the first redirect to another host.

    Raises:
        DownloadError: the file cannot be received.
        StorageError: it cannot be written.
    """
    with open_client(limits) as client:
        furthest_size, fruitless_tries = part.size, 0
        while True:
            try:
                _try_once(client, url, part, progress, limits, token)
                return
            except _InterruptedTry as interruption:
                if part.size > furthest_size:
                    furthest_size, fruitless_tries = part.size, 0
                if fruitless_tries == len(limits.retry_delays):
                    raise DownloadError(
                        f"{url}: the connection broke again and again ({interruption}); {_retry_advice(part)}"
                    ) from interruption.__cause__
                time.sleep(limits.retry_delays[fruitless_tries])
                fruitless_tries += 1


def open_client(limits: HttpLimits) -> httpx.Client:
    """
    Raises:
        DownloadError: the environment holds network settings that cannot be used.
    """
    timeout = httpx.Timeout(limits.timeout, connect=limits.connect_timeout)
    try:
        return httpx.Client(timeout=timeout, headers={"User-Agent": "draggan-tui"})
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:  # httpx reads settings of the environment
        raise DownloadError(
            f"the network settings of this shell cannot be used ({error}); check HTTPS_PROXY, SSL_CERT_FILE and similar variables"
        ) from error


def _retry_advice(part: PartialDownload) -> str:
    if part.is_resumable:
        return f"run the same command again later to go on: {part.size} bytes are kept in {part.path}"
    return "run the same command again later"


def _try_once(
    client: httpx.Client,
    url: str,
    part: PartialDownload,
    progress: DownloadProgress,
    limits: HttpLimits,
    token: HostToken | None,
) -> None:
    """Send one request, and append the answer to the part.

    Raises:
        DownloadError: another try would not help.
        _InterruptedTry: the file is not complete.
    """
    headers = {"Accept-Encoding": "identity"}  # sizes and ranges must count the bytes of the file itself
    resumed_file = part.remote_file if part.is_resumable else None
    if resumed_file is not None and resumed_file.validator is not None:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": resumed_file.validator}
    try:
        with _follow_redirects(client, url, headers, limits.max_redirects, token) as response:
            _check_response(url, response, part, is_resuming=resumed_file is not None)
            total = _prepare_part(url, response, part, resumed_file)
            progress(part.size, total)
            for chunk in _read_chunks(response):
                part.append(chunk)
                progress(part.size, total)
    except httpx.TransportError as error:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError) and not part.received_bytes:
            raise DownloadError(explain_connect_error(url, url, error)) from error
        raise _InterruptedTry(_summarize_error(error)) from error
    if total is not None and part.size != total:
        if part.size > total:
            part.restart(None)
        raise _InterruptedTry(f"{part.size} bytes were received and {total} were announced")
    if not part.size:
        raise DownloadError(f"{url}: the server sent an empty file; check the address, or try again later")


@contextmanager
def _follow_redirects(
    client: httpx.Client, url: str, headers: dict[str, str], max_redirects: int, token: HostToken | None
) -> Iterator[httpx.Response]:
    """Yield the response at the end of all redirects."""
    current_url = httpx.URL(url)
    for _ in range(max_redirects + 1):
        token_headers = {} if token is None else token.headers_for(current_url)
        with client.stream("GET", current_url, headers=headers | token_headers) as response:
            if not response.has_redirect_location:
                yield response
                return
            next_url = resolve_redirect(url, current_url, response.headers["Location"])
        if not have_same_origin(current_url, next_url):
            token = None
        current_url = next_url
    raise DownloadError(f"{url}: the server redirects more than {max_redirects} times; check the address")


def have_same_origin(first_url: httpx.URL, second_url: httpx.URL) -> bool:
    """Return whether two addresses have the same scheme, host and port."""
    return (first_url.scheme, first_url.host, first_url.port) == (second_url.scheme, second_url.host, second_url.port)


def resolve_redirect(url: str, current_url: httpx.URL, location: str) -> httpx.URL:
    """Return the address that a redirect leads to.

    Args:
        url: the address that the user gave, for messages.
        current_url: the address whose response is the redirect.
        location: the Location header of the response.

    Raises:
        DownloadError: the address is invalid, not of the web, or less secure than the current one.
    """
    try:
        next_url = current_url.join(location)
    except httpx.InvalidURL as error:
        raise DownloadError(
            f"{url}: the server redirects to {location!r}, which is not an address; try again later"
        ) from error
    if next_url.scheme not in ("http", "https") or not next_url.host:
        raise DownloadError(
            f"{url}: the server redirects to {next_url.scheme}:, which is not the web; check the address"
        )
    if current_url.scheme == "https" and next_url.scheme == "http":
        raise DownloadError(
            f"{url}: the server redirects from https to http ({next_url.host}), where anybody between the two could replace the "
            "file; look for an https address of it"
        )
    return next_url


def _check_response(url: str, response: httpx.Response, part: PartialDownload, *, is_resuming: bool) -> None:
    """
    Raises:
        DownloadError: the response is neither the file nor a part of it.
        _InterruptedTry: the server has nothing after the received part, which is emptied.
    """
    status = response.status_code
    if is_resuming and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        part.restart(None)
        raise _InterruptedTry("the server has no such part of the file (416)")
    if status != httpx.codes.OK and not (is_resuming and status == httpx.codes.PARTIAL_CONTENT):
        raise DownloadError(f"{url}: {explain_status(response)}")
    if response.headers.get("Content-Type", "").strip().lower().startswith(("text/html", "application/xhtml")):
        raise DownloadError(
            f"{url}: the server sent a web page instead of a file, perhaps because one must log in or agree to something; "
            "open the address in a browser and get the file by hand"
        )
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise DownloadError(
            f"{url}: the server sent the file compressed ({encoding}), though it was asked not to; get it with a browser"
        )


def explain_status(response: httpx.Response) -> str:
    """Return what the status of a response means for the user, and what to do."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    match response.status_code:
        case 401 | 403 | 407:
            return f"the server does not give it to everyone ({status}); get it by hand from the page that describes it"
        case 404 | 410:
            return f"there is no such file ({status}); look for its new address on the page that describes it"
        case 429:
            retry_after = response.headers.get("Retry-After", "")
            delay = f"{retry_after} seconds" if retry_after.isdigit() else "some minutes"
            return f"the server has had too many requests ({status}); run the same command again in {delay}"
        case status_code if status_code >= 500:
            return f"the server is in trouble ({status}); run the same command again later"
        case _:
            return f"the server answered with no file ({status}); check the address"


def _prepare_part(
    url: str, response: httpx.Response, part: PartialDownload, resumed_file: RemoteFile | None
) -> int | None:
    """Prepare the part for the bytes that follow.

    Args:
        resumed_file: the file that the request wants to continue; None if it asks for the whole file.

    Returns:
        The size of the whole file, if the server states it.

    Raises:
        _InterruptedTry: the bytes are not those that were requested. The part is emptied.
    """
    validator = _read_validator(response.headers)
    if response.status_code == httpx.codes.OK or resumed_file is None:
        # The whole file: a first request, a changed file, or a server without ranges.
        content_length = _parse_number(response.headers.get("Content-Length", ""))
        part.restart(RemoteFile(url=url, validator=validator, total=content_length))
        return content_length
    content_range = response.headers.get("Content-Range", "").strip()
    range_match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    total = _parse_number(range_match[2]) if range_match else None
    if (
        range_match is None
        or int(range_match[1]) != part.size
        or (validator is not None and validator != resumed_file.validator)
        or (total is not None and resumed_file.total is not None and total != resumed_file.total)
    ):
        part.restart(None)
        raise _InterruptedTry("the server sent another part of the file than it was asked for")
    return resumed_file.total if total is None else total


def _read_validator(headers: httpx.Headers) -> str | None:
    """Return the value for If-Range. A weak ETag does not count, because two different files can share one."""
    etag = str(headers.get("ETag", "")).strip()
    validator = etag if etag.startswith('"') else str(headers.get("Last-Modified", "")).strip()
    return validator if re.fullmatch(VALIDATOR_PATTERN, validator) else None


def _parse_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text.strip()) else None


def _read_chunks(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body in chunks that are large enough to be written. If the connection breaks, yield what has been received
    before raising the error."""
    buffer = bytearray()
    last_write_time = time.monotonic()
    transport_error: httpx.TransportError | None = None
    try:
        for block in response.iter_raw():
            buffer += block
            if len(buffer) >= CHUNK_BYTES or time.monotonic() - last_write_time >= _MAX_WRITE_INTERVAL:
                yield bytes(buffer)
                buffer.clear()
                last_write_time = time.monotonic()
    except httpx.TransportError as error:
        transport_error = error
    if buffer:
        yield bytes(buffer)
    if transport_error is not None:
        raise transport_error


def explain_connect_error(source: str, url: str, error: httpx.TransportError) -> str:
    """Return why a server cannot be reached, and what to do.

    Args:
        source: what the user wants to download, with which the message begins.
        url: the address of the server.
    """
    host = httpx.URL(url).host
    if isinstance(error, httpx.ProxyError):
        return f"{source}: the proxy refuses the connection ({_summarize_error(error)}); check HTTPS_PROXY and similar variables"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = getattr(cause, "verify_message", "") or "its certificate is not valid"
            return (
                f"{source}: the server cannot prove that it is {host} ({reason}); check this machine's date, and whether "
                "something on the way (a company's proxy, a log-in page) answers instead"
            )
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or _summarize_error(error)
            return f"{source}: no secure connection to {host} could be made ({reason}); check the address"
        if isinstance(cause, socket.gaierror):
            return f"{source}: the name {host} cannot be resolved; check the address and the network"
    return f"{source}: {host} cannot be reached ({_summarize_error(error)}); check the network, or try again later"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _summarize_error(error: httpx.TransportError) -> str:
    """Return what happened to the connection, in a few words on one line."""
    if isinstance(error, httpx.TimeoutException):
        return "the server did not answer in time"
    return " ".join(str(error).split()) or type(error).__name__
