"""Models of the Hugging Face hub: addresses, the user's cache, and downloads from a server on this machine that plays the
hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from draggan_engine.checkpoints import registry
from draggan_engine.checkpoints.download.http_download import HttpLimits
from draggan_engine.checkpoints.hub.hub_address import HubAddress, parse_hub_address
from draggan_engine.checkpoints.hub.hub_download import download_from_hub
from draggan_engine.checkpoints.hub.hub_files import downloaded_hub_models, find_hub_file, hub_download_path
from draggan_engine.checkpoints.hub.hub_settings import read_hub_settings
from draggan_engine.checkpoints.model_removal import remove_model
from draggan_engine.core.errors import CheckpointError, DownloadError, DragganError, InputError
from tests.support.fake_hub import (
    ADDRESS,
    BEARER,
    COMMITS,
    FILE_PATH,
    TOKEN,
    FakeHub,
    isolate_hub,
    put_into_hub_cache,
    run_hub,
)
from tests.support.file_server import BODY

QUICK_RETRIES = HttpLimits(retry_delays=(0.001, 0.002, 0.003))
MAIN_URL = f"/org/faces/resolve/main/{FILE_PATH}"
COMMIT_URL = f"/org/faces/resolve/{COMMITS['main']}/{FILE_PATH}"


@pytest.fixture(autouse=True)
def own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says nothing about the hub, and all directories are empty."""
    isolate_hub(tmp_path, monkeypatch)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with run_hub(BODY) as fake_hub:
        monkeypatch.setenv("HF_ENDPOINT", fake_hub.url)
        yield fake_hub


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def download(address: str = ADDRESS, sha256: str | None = None) -> Path:
    return download_from_hub(
        parse_hub_address(address),
        read_hub_settings(),
        check=lambda _: None,
        progress=lambda *_: None,
        sha256=sha256,
        limits=QUICK_RETRIES,
    )


def refusal(address: str = ADDRESS, kind: type[DragganError] = DownloadError) -> str:
    """Return the message of the error with which a download ends."""
    with pytest.raises(kind) as raised:
        download(address)
    message = str(raised.value)
    assert message.isprintable()
    assert TOKEN not in message
    return message


# Addresses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("hf://o/r/m.pkl", HubAddress("o", "r", "main", "m.pkl"), "/o/r/resolve/main/m.pkl"),
        ("hf://o/r@v1.0/a/b c.pkl", HubAddress("o", "r", "v1.0", "a/b c.pkl"), "/o/r/resolve/v1.0/a/b%20c.pkl"),
        ("hf://o/r@refs/pr/7/m.pkl", HubAddress("o", "r", "refs/pr/7", "m.pkl"), "/o/r/resolve/refs%2Fpr%2F7/m.pkl"),
        ("hf://o/r@feature%2Fx/m.pkl", HubAddress("o", "r", "feature/x", "m.pkl"), "/o/r/resolve/feature%2Fx/m.pkl"),
    ],
)
def test_an_address_is_read(text: str, address: HubAddress, url: str) -> None:
    assert parse_hub_address(text) == address
    assert str(address) == text
    assert address.url("https://hub", address.revision) == f"https://hub{url}"


@pytest.mark.parametrize(
    "text",
    [
        "hf://", "hf://o", "hf://o/r", "hf://o/r/", "hf://o/r@/m.pkl", "hf:///r/m.pkl", "hf://../r/m.pkl", "hf://o/..@a/m.pkl",
        "hf://o/r/../m.pkl", "hf://o/r/a//b", "hf://o/r@%2E%2E/m.pkl", "hf://o/r@a..b/m.pkl", "hf://o/r@%2Fetc/m.pkl",
        "hf://o/r/a\\b", "hf://o/r/m\x1b[2J.pkl", "hf://o/r@refs/pr/m.pkl", "hf://o/r?x/m.pkl",
    ],
)  # fmt: skip
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="this is not the address of a file on the hub; write hf://ORGANISATION"):
        parse_hub_address(text)


def test_only_repositories_of_models_are_used() -> None:
    with pytest.raises(CheckpointError) as raised:
        parse_hub_address("hf://datasets/o/r/m.pkl")
    assert str(raised.value) == (
        "hf://datasets/o/r/m.pkl: only the hub's model repositories can be used, not its datasets"
    )


# Settings -----------------------------------------------------------------------------------------------------------


def test_the_directories_of_the_hub_follow_its_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_hub_settings().cache_directory == tmp_path / "cache" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert read_hub_settings().cache_directory == tmp_path / "home" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert read_hub_settings().cache_directory == tmp_path / "elsewhere"
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert read_hub_settings().cache_directory == Path("~/.cache/huggingface/hub").expanduser()


def test_the_token_is_that_of_the_variable_or_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_hub_settings().token is None
    token_path = tmp_path / "cache" / "huggingface" / "token"
    token_path.parent.mkdir(parents=True)
    token_path.write_text("hf_file\n")
    assert (read_hub_settings().token, read_hub_settings().token_source) == ("hf_file", str(token_path))
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    assert read_hub_settings().token is None
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert (read_hub_settings().token, read_hub_settings().token_source) == (TOKEN, "HF_TOKEN")
    assert TOKEN not in repr(read_hub_settings())


def test_settings_that_cannot_be_used_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "two\nlines")
    with pytest.raises(InputError) as raised:
        read_hub_settings()
    assert str(raised.value) == (
        "HF_TOKEN holds no access token of the hub, but a text with other characters; correct or remove it"
    )
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_ENDPOINT", "hub.example.org")
    with pytest.raises(InputError, match="HF_ENDPOINT is not an address that begins with https://"):
        read_hub_settings()


# The user's cache ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", ["main", "v2", "refs/pr/1"])
def test_a_file_in_the_cache_is_found_without_any_request(hub: FakeHub, revision: str) -> None:
    settings = read_hub_settings()
    path = put_into_hub_cache(settings.cache_directory, BODY, revision)
    address = HubAddress("org", "faces", revision, FILE_PATH)
    assert find_hub_file(address, settings) == path
    assert find_hub_file(replace(address, revision=COMMITS[revision]), settings) == path
    assert registry.find_model_file(str(address)) == path
    assert hub.requests == []
    assert find_hub_file(replace(address, path="other.pkl"), settings) is None
    assert find_hub_file(replace(address, revision="v3"), settings) is None


def test_the_cache_comes_before_a_download(hub: FakeHub) -> None:  # noqa: ARG001 (a fixture)
    downloaded_path = download()
    assert registry.find_model_file(ADDRESS) == downloaded_path
    cached_path = put_into_hub_cache(read_hub_settings().cache_directory, BODY)
    assert registry.find_model_file(ADDRESS) == cached_path


@pytest.mark.parametrize("content", [b"../../../secret", b"\xff" * 40, b"main", b""])
def test_a_damaged_reference_in_the_cache_leads_nowhere(content: bytes) -> None:
    settings = read_hub_settings()
    path = put_into_hub_cache(settings.cache_directory, BODY)
    (path.parents[3] / "refs" / "main").write_bytes(content)
    assert find_hub_file(parse_hub_address(ADDRESS), settings) is None


# Downloads ----------------------------------------------------------------------------------------------------------


def test_a_file_is_downloaded_from_the_commit_of_the_revision(hub: FakeHub) -> None:
    path = download()
    assert path == hub_download_path(parse_hub_address(ADDRESS))
    assert path.read_bytes() == BODY
    assert hub.requests == [("HEAD", MAIN_URL, None), ("GET", COMMIT_URL, None)]
    assert json.loads(registry.download_checksums_path().read_text()) == {f"{hub.url}{COMMIT_URL}": hub.file_sha256}
    assert registry.find_model_file(ADDRESS) == path
    assert [(entry.name, entry.path) for entry in registry.list_models() if entry.origin == "own"] == [
        (ADDRESS, str(path))
    ]


@pytest.mark.usefixtures("token")
def test_the_token_goes_to_the_hub_and_not_past_a_redirect_to_another_host(hub: FakeHub) -> None:
    download()
    assert [authorization for *_, authorization in hub.requests] == [BEARER, BEARER]
    assert hub.storage.authorizations == [None]


@pytest.mark.usefixtures("token")
def test_the_token_does_not_go_to_a_host_of_the_same_machine_with_another_name(hub: FakeHub) -> None:
    hub.storage.url = hub.storage.url.replace("127.0.0.1", "localhost")
    download()
    assert hub.storage.authorizations == [None]


@pytest.mark.usefixtures("token")
def test_the_token_does_not_go_back_to_the_hub_from_another_host(hub: FakeHub) -> None:
    hub.storage.status = 302
    hub.storage.headers = {"Location": f"{hub.url}/org/gone/resolve/main/m.pkl"}
    refusal()
    assert hub.requests[-1] == ("GET", "/org/gone/resolve/main/m.pkl", None)


@pytest.mark.usefixtures("token")
def test_the_token_follows_a_renamed_repository_on_the_hub(hub: FakeHub) -> None:
    assert download(ADDRESS.replace("faces", "old-name")).read_bytes() == BODY
    assert {authorization for *_, authorization in hub.requests} == {BEARER}
    assert hub.storage.authorizations == [None]


def test_a_revision_is_asked_for_and_kept_apart(hub: FakeHub) -> None:
    path = download(f"hf://org/faces@v2/{FILE_PATH}")
    assert [url for _, url, _ in hub.requests] == [
        f"/org/faces/resolve/v2/{FILE_PATH}",
        f"/org/faces/resolve/{COMMITS['v2']}/{FILE_PATH}",
    ]
    download(f"hf://org/faces@refs/pr/1/{FILE_PATH}")
    assert downloaded_hub_models().keys() == {f"hf://org/faces@{name}/{FILE_PATH}" for name in ("v2", "refs/pr/1")}
    assert path == downloaded_hub_models()[f"hf://org/faces@v2/{FILE_PATH}"]


def test_a_file_with_another_checksum_than_the_hub_says_is_refused(hub: FakeHub) -> None:
    hub.sha256 = "0" * 64
    message = refusal()
    assert f"its SHA-256 is {hub.file_sha256}, it should be {'0' * 64}" in message
    assert downloaded_hub_models() == {}
    assert not list(registry.user_models_directory().parent.rglob("*.part"))


def test_a_file_with_another_size_than_the_hub_says_is_not_kept(hub: FakeHub) -> None:
    hub.size = 10
    assert refusal() == f"{ADDRESS}: the file has {len(BODY)} bytes, and the hub says that it has 10; try again later"
    assert not list(hub_download_path(parse_hub_address(ADDRESS)).parent.iterdir())


def test_the_checksum_that_the_user_states_is_compared_before_the_download(hub: FakeHub) -> None:
    with pytest.raises(DownloadError) as raised:
        download(sha256="0" * 64)
    assert str(raised.value) == (
        f"{ADDRESS}: the hub says that its SHA-256 is {hub.file_sha256}, and it should be {'0' * 64}; "
        "check the address and the checksum"
    )
    assert hub.storage.requests == []


def test_a_small_file_has_no_checksum_on_the_hub(hub: FakeHub) -> None:
    hub.is_large = False
    assert download().read_bytes() == BODY
    assert [method for method, *_ in hub.requests] == ["HEAD", "GET"]


def test_a_cut_connection_is_resumed_in_the_same_download(hub: FakeHub) -> None:
    hub.storage.break_points = [1_500_000]
    assert download().read_bytes() == BODY
    assert hub.storage.requested_ranges == [None, "bytes=1500000-"]
    assert sum(hub.storage.sent_bytes) == len(BODY)


def test_a_download_that_was_given_up_is_resumed_by_the_next_one(hub: FakeHub) -> None:
    hub.storage.break_points = [1_500_000, 0, 0, 0, 0]
    assert "1500000 bytes are kept" in refusal()
    assert downloaded_hub_models() == {}
    assert download().read_bytes() == BODY
    assert hub.storage.requested_ranges[-1] == "bytes=1500000-"


def test_a_branch_that_has_moved_is_downloaded_again(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    download()
    hub.storage.body, hub.storage.etag = BODY[::-1], '"two"'
    monkeypatch.setitem(COMMITS, "main", "d" * 40)
    assert download().read_bytes() == BODY[::-1]


def test_an_unchanged_file_is_not_received_again(hub: FakeHub) -> None:
    download()
    download()
    assert len(hub.storage.requests) == 1


# Refusals -----------------------------------------------------------------------------------------------------------


def test_offline_mode_forbids_every_request(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert refusal() == (f"{ADDRESS} is not on this machine, and HF_HUB_OFFLINE is set; unset it to download the file")
    assert hub.requests == []
    put_into_hub_cache(read_hub_settings().cache_directory, BODY)
    assert registry.find_model_file(ADDRESS).read_bytes() == BODY


LOGIN = "log in with the hub's own tool (hf auth login) or set HF_TOKEN"


@pytest.mark.parametrize(
    ("error", "without_token", "with_token"),
    [
        (
            (401, "GatedRepo"),
            f"the repository is gated (401 Unauthorized); accept its conditions at HUB/org/faces in a browser, then {LOGIN}",
            "the repository is gated (401 Unauthorized), and the account of the token in HF_TOKEN has no access; "
            "ask for it at HUB/org/faces in a browser",
        ),
        (
            (401, "RepoNotFound"),
            f"there is no such repository, or it is private (401 Unauthorized); check its name, or {LOGIN}",
            "there is no such repository, or the token in HF_TOKEN is not valid for it (401 Unauthorized); "
            "check the name and the token",
        ),
        (
            (403, ""),
            f"there is no such repository, or it is private (403 Forbidden); check its name, or {LOGIN}",
            "there is no such repository, or the token in HF_TOKEN is not valid for it (403 Forbidden); "
            "check the name and the token",
        ),
        (
            (404, "RevisionNotFound"),
            "the repository has no revision main (404 Not Found); HUB/org/faces lists its branches",
            None,
        ),
        (
            (404, "EntryNotFound"),
            "the repository has no such file in revision main (404 Not Found); HUB/org/faces lists its files",
            None,
        ),
        ((503, ""), "the server is in trouble (503 Service Unavailable); run the same command again later", None),
        (
            (429, ""),
            "the server has had too many requests (429 Too Many Requests); run the same command again in some minutes",
            None,
        ),
    ],
)
def test_what_the_hub_refuses_is_explained(
    hub: FakeHub,
    error: tuple[int, str],
    without_token: str,
    with_token: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.error = error
    assert refusal() == f"{ADDRESS}: {without_token.replace('HUB', hub.url)}"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert refusal() == f"{ADDRESS}: {(with_token or without_token).replace('HUB', hub.url)}"
    assert downloaded_hub_models() == {}


def test_what_is_not_there_is_explained(hub: FakeHub) -> None:  # noqa: ARG001 (a fixture)
    assert "there is no such repository" in refusal("hf://org/nothing/m.pkl")
    assert "no revision v9" in refusal(f"hf://org/faces@v9/{FILE_PATH}")
    assert "no such file in revision main" in refusal("hf://org/faces/other.pkl")


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert refusal().startswith(f"{ADDRESS}: 127.0.0.1 cannot be reached (")


# Removal ------------------------------------------------------------------------------------------------------------


def test_a_download_from_the_hub_is_removed_by_its_address(hub: FakeHub) -> None:  # noqa: ARG001 (a fixture)
    path = download()
    assert [(file.path, file.size) for file in remove_model(ADDRESS)] == [(path, len(BODY))]
    assert list((registry.user_models_directory().parent / "hub").iterdir()) == []
    with pytest.raises(CheckpointError) as raised:
        remove_model(ADDRESS)
    assert str(raised.value) == f"{ADDRESS} is not on this machine, so there is nothing to remove"


def test_the_cache_of_the_hubs_own_tools_is_only_read() -> None:
    path = put_into_hub_cache(read_hub_settings().cache_directory, BODY)
    with pytest.raises(CheckpointError) as raised:
        remove_model(ADDRESS)
    assert str(raised.value) == (
        f"{ADDRESS} is in the cache of the hub's own tools ({path}), which draggan-tui only reads; remove it with these tools"
    )
    assert path.exists()
