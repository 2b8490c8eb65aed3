"""The bar of a training."""

import glc.training  # noqa: F401  isort: skip  (prepares torchvision, which Lightning imports)
import pytest
import pytorch_lightning as pl
import torch

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
    assert without_bfloat16(torch.device("cpu")) == "there is no GPU"
