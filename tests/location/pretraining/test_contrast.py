import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from glc.location.pretraining.contrast import InfoNCE, retrieval


def vectors(n, dim, seed):
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def by_the_poster(c, image, tau):
    """The poster's equations, term by term."""
    n, total = len(c), 0.0
    for i in range(n):
        own = math.exp(float(c[i] @ image[i]) / tau)
        total += -math.log(own / sum(math.exp(float(c[i] @ image[j]) / tau) for j in range(n)))
        total += -math.log(own / sum(math.exp(float(image[i] @ c[j]) / tau) for j in range(n)))
    return total / (2 * n)


@pytest.mark.parametrize("tau", [0.05, 0.07, 1.0])
def test_the_posters_equations(tau):
    c, image = vectors(7, 5, 0), vectors(7, 5, 1)
    assert InfoNCE(tau)(c, image).item() == pytest.approx(by_the_poster(c, image, tau), rel=1e-5)


def test_closed_form_of_orthonormal_pairs():
    """Own pairs have cosine 1 and all others 0: log(1 + (N - 1) exp(-1 / τ))."""
    eye = torch.eye(6)
    assert InfoNCE(0.5)(eye, eye).item() == pytest.approx(math.log(1 + 5 * math.exp(-2)), rel=1e-6)
    alike = torch.ones(6, 1)
    assert InfoNCE(0.5)(alike, alike).item() == pytest.approx(math.log(6), rel=1e-6)


def test_symmetric_in_its_two_sides():
    c, image = vectors(9, 4, 2), vectors(9, 4, 3)
    loss = InfoNCE()
    assert loss(c, image).item() == pytest.approx(loss(image, c).item())


def test_temperature_is_learned_and_kept_above_its_least():
    loss = InfoNCE(0.07)
    eye = torch.eye(4)
    loss(eye, eye).backward()
    assert loss.log_scale.grad.item() < 0  # pairs that are apart already ask for a lower temperature
    with torch.no_grad():
        loss.log_scale.fill_(50.0)
    loss(eye, eye)
    assert loss.temperature.item() == pytest.approx(0.01, rel=1e-5)


def test_retrieval_counts_both_ways():
    places = torch.eye(3)
    images = torch.tensor([[1.0, 0, 0], [0.9, 0.5, 0], [0, 0, 1.0]])
    found_images, found_places = retrieval(places, images)
    assert found_images.item() == 1
    assert found_places.item() == pytest.approx(2 / 3)
    assert np.isclose(retrieval(images, places)[0].item(), 2 / 3)
