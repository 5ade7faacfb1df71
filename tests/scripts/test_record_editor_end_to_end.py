"""The recorder drives the installed program."""

from __future__ import annotations

from pathlib import Path

from scripts.record_editor import Step, frames, record, still_image, write_gif


def test_a_short_recording_becomes_a_gif(tmp_path: Path) -> None:
    script = (Step(pause=0.3), Step("\r", 0.5, wait_for="target?", still=True), Step("5l", 0.5))
    recording = record(script, tmp_path)
    timed_images = list(frames(recording.output, recording.samples))
    assert len(timed_images) >= 3  # the image, then the handle, then the cursor further right
    assert recording.samples[0].time < recording.still.time < recording.samples[-1].time
    assert sum(seconds for _, seconds in timed_images) > 1.3
    assert len(timed_images[0][0].getcolors(100_000) or []) > 50
    assert still_image(recording) != timed_images[0][0]
    write_gif(tmp_path / "a.gif", timed_images)
    assert 10_000 < (tmp_path / "a.gif").stat().st_size < 1_000_000
