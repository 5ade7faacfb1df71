"""What waits to be sent: of a lossy kind the newest, and nobody waits for what has been thrown away."""

from __future__ import annotations

import pytest

from draggan_engine.server.messages import Preview
from draggan_engine.server.outbox import _overtakes


def picture(request: int) -> Preview:
    return Preview(request=request, width=1, height=2, rgb=bytes(6))


@pytest.mark.parametrize(
    ("new", "old", "replaces"),
    [(0, 0, True), (5, 4, True), (0, 4, False), (4, 0, False)],
)
def test_a_drags_pictures_and_answers_do_not_replace_each_other(new: int, old: int, replaces: bool) -> None:
    assert _overtakes(picture(new), picture(old)) == replaces
