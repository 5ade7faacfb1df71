"""Training in rounds: an interrupted run continues, and what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from draggan_engine.core.errors import InputError
from draggan_engine.evaluation.training_rounds import read_run_state, train_rounds, write_run_state


class _Trainer:
    """Its loss is the number of its step."""

    def __init__(self, seed: int = 0, rounds_before_crash: int = 9) -> None:
        self.finished_rounds, self.losses = 0, [0.0]
        self._seed, self._rounds_before_crash = seed, rounds_before_crash

    def train_round(self) -> Iterator[float]:
        if self.finished_rounds == self._rounds_before_crash:
            raise KeyboardInterrupt
        for _ in range(2):
            self.losses.append(self.losses[-1] + 1)
            yield self.losses[-1]
        self.finished_rounds += 1

    def save(self, path: Path) -> None:
        write_run_state(path, {"seed": self._seed, "losses": self.losses, "rounds": self.finished_rounds})

    def load(self, path: Path) -> bool:
        run_state = read_run_state(path)
        if run_state["seed"] != self._seed:
            return False
        self.losses, self.finished_rounds = run_state["losses"], run_state["rounds"]
        return True


def test_an_interrupted_run_continues_after_its_last_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_path = tmp_path / "run.state"
    with pytest.raises(KeyboardInterrupt):
        train_rounds(_Trainer(rounds_before_crash=2), 3, state_path)
    trainer = _Trainer()
    train_rounds(trainer, 3, state_path, lambda: {"z": 0.25, "images": 0.5})
    assert trainer.losses == [0, 1, 2, 3, 4, 5, 6]
    assert capsys.readouterr().out.splitlines() == [
        "round 1/3, loss 1.5000, 0 min left",
        "round 2/3, loss 3.5000, 0 min left",
        "round 3/3, loss 5.5000, new images: z 0.2500, images 0.5000, 0 min left",
    ]


def test_the_state_of_another_run_is_not_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state_path = tmp_path / "run.state"
    train_rounds(_Trainer(seed=1), 1, state_path)
    trainer = _Trainer(seed=2)
    train_rounds(trainer, 1, state_path)
    assert trainer.losses == [0, 1, 2]
    assert f"{state_path} is of another run, which is not continued" in capsys.readouterr().out
    assert trainer.load(state_path)


@pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04"])
def test_a_damaged_state_of_a_run_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(InputError, match="state: it is damaged; delete it to start the training again"):
        read_run_state(tmp_path / "state")
