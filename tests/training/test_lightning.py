"""The bar of a training."""

import glc.training  # noqa: F401  isort: skip  (prepares torchvision, which Lightning imports)
import pytest
import pytorch_lightning as pl
import torch

from glc import config
from glc.errors import ConfigError
from glc.training import lightning
from glc.training.lightning import trainer, without_bfloat16
from glc.training.machine import Machine


class Line(pl.LightningModule):
    """A straight line, which may fail in its second epoch."""

    def __init__(self, fails=False):
        super().__init__()
        self.layer, self.fails = torch.nn.Linear(1, 1), fails

    def training_step(self, batch, index):
        if self.fails and self.current_epoch:
            raise ValueError("no more")
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder, module, progress=True):
    machine = Machine("cpu", progress=progress)
    run = trainer([], machine=machine, epochs=3, folder=folder, logger=False)
    run.fit(module, torch.utils.data.DataLoader(torch.ones(8, 1), batch_size=2))


def test_one_bar_counts_the_batches_of_all_epochs(tmp_path, reports):
    fit(tmp_path, Line())
    assert {total for _, _, total in reports[1:]} == {12}
    assert [what for what, _, _ in reports if what][-1] == "epoch 3 of at most 3"
    assert max(done for _, done, _ in reports) >= 8  # a report at the start of each epoch, more where time allows


def test_without_progress_there_is_no_bar(tmp_path, reports):
    fit(tmp_path, Line(), progress=False)
    assert reports == []


def test_an_error_closes_the_bar_and_is_not_hidden(tmp_path, reports):
    with pytest.raises(ValueError, match="no more"):
        fit(tmp_path, Line(fails=True))
    assert reports


@pytest.mark.parametrize(("known", "why"), [(True, ""), (False, "NVIDIA V100 only emulates them")])
def test_a_gpu_says_whether_it_has_bfloat16(monkeypatch, known, why):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or known)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA V100")
    assert without_bfloat16(torch.device("cuda")) == why


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ("fma avx512_bf16", ""),
        ("amx_bf16 fma", ""),
        ("fma avx512f", "there is no GPU, and the processor has none of amx_bf16, avx512_bf16"),
    ],
)
def test_a_processor_says_whether_it_has_bfloat16(monkeypatch, tmp_path, flags, why):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(lightning, "_PROCESSOR", tmp_path / "cpuinfo")
    assert without_bfloat16(torch.device("cpu")) == why


@pytest.mark.parametrize(("logger", "pattern"), [("csv", "metrics.csv"), ("tensorboard", "events.out.tfevents.*")])
def test_a_training_is_logged_where_the_machine_wants_it(logger, pattern, tmp_path):
    name = "votes+description=../../x"
    machine = Machine(logger=logger, wandb={"mode": "offline", "name": name, "config": {"k": 1}, "dir": str(tmp_path)})
    with lightning.run_logger(machine) as log:
        log.log_metrics({"valid_loss": 0.5}, step=1)
    (path,) = tmp_path.rglob(pattern)
    assert path.parent == tmp_path / logger / config.file_name(name)
    assert not (tmp_path / "wandb").exists()


def test_a_training_goes_on_where_wandb_cannot_write(tmp_path, caplog):
    (tmp_path / "wandb").touch()
    machine = Machine(wandb={"mode": "offline", "name": "n", "dir": str(tmp_path)})
    with lightning.run_logger(machine) as log:
        assert log is False
    assert "the training is not logged at W&B: " in caplog.text


def test_an_unknown_logger_is_refused(tmp_path):
    with (
        pytest.raises(ConfigError, match="logger: found 'tensorbord'"),
        lightning.run_logger(Machine(logger="tensorbord", wandb={"mode": "offline"})),
    ):
        pass
