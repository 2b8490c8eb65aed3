"""The imagery of a batch as one standardised map, the front end of every net that convolves.

Coefficients differ by orders of magnitude between the mean of a tile and its finest term, so each term of each band is
standardised by its own moments over the training examples; maps of pixels by those of the band. Where symmetries of the
square are drawn at random the moments are averaged over all eight, so that to standardise a turned tile and to turn a
standardised one is the same. What is missing takes the training mean, which standardised is 0.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from glc import dct as numpy_dct
from glc.errors import ConfigError
from glc.nets.layers import dct
from glc.training.weights import RGB

_NOISE = 1e-6
"""What spreads less than this share of its band's largest term is what float32 leaves of a constant."""


class Maps(nn.Module):
    """The inputs of a batch, each (batch, band, row, col) with NaN where missing, as (batch, channels, rows, cols).

    layouts : dict of input name -> `glc.nets.inputs.features.Layout`; channels are their bands, in this order
    symmetries : while training, apply one of the eight symmetries of the square at random to each survey, the same to
        all its tiles; never to cubes and series, which have none
    expand : turn coefficients into pixels, so many a side; 0 leaves them

    Smaller blocks of coefficients are padded with zeros to the largest. (The size of their tiles, to which they are
    proportional, goes as they are standardised.) A cube's values join as their mean, a constant map: the term [0, 0]
    among coefficients. It is standardised as if all values of a cube rose and fell together, which climate's nearly do.
    A ConfigError names inputs that do not make one map.
    """

    def __init__(self, layouts, symmetries=True, expand=0):
        super().__init__()
        self.layouts, self.symmetries, self.expand = dict(layouts), symmetries, expand
        self.bands = [band for layout in layouts.values() for band in layout.bands]
        self.channels = len(self.bands)
        self.rows, self.cols, self._terms = _shape(layouts, expand)
        for number, layout in enumerate(layouts.values()):
            self.register_buffer(f"mean_{number}", torch.zeros(layout.shape))
            self.register_buffer(f"scale_{number}", torch.ones(layout.shape))

    def prepare(self, summary):
        """Take the moments of the inputs over the training examples from ``summary.inputs``."""
        for number, (name, layout) in enumerate(self.layouts.items()):
            mean, std = _moments(layout, summary.inputs[name], self.symmetries, self.expand)
            scale = np.divide(1, std, out=np.zeros_like(std), where=std > 0)
            getattr(self, f"mean_{number}").copy_(torch.as_tensor(mean))
            getattr(self, f"scale_{number}").copy_(torch.as_tensor(scale))

    def normalise(self, mean, std):
        """Standardise 8-bit red, green and blue by the mean and deviation of other images; call it after `prepare`.

        mean, std : of red, green and blue from 0 to 1, such as `glc.training.weights.normalisation` gives
        Other bands, reflectances of 16 bits and coefficients stay as they are, by the moments of the training examples.
        """
        for number, layout in enumerate(self.layouts.values()):
            if layout.levels:
                for channel, band in enumerate(layout.bands):
                    if band in RGB:
                        colour = RGB.index(band)
                        getattr(self, f"mean_{number}")[channel] = layout.levels * mean[colour]
                        getattr(self, f"scale_{number}")[channel] = 1 / (layout.levels * std[colour])

    def forward(self, batch):
        which = None
        maps = []
        for number, (name, layout) in enumerate(self.layouts.items()):
            x = (batch[name] - getattr(self, f"mean_{number}")) * getattr(self, f"scale_{number}")
            x = x.nan_to_num(nan=0, posinf=0, neginf=0)  # moments leave out what is not finite
            if layout.kind in ("coeffs", "pixels") and self.training and self.symmetries:
                if which is None:
                    which = self.choose(len(x))
                x = dct.symmetries(x, which) if layout.kind == "coeffs" else pixel_symmetries(x, which)
            maps.append(self._placed(x, layout))
        return torch.cat(maps, dim=1)

    def choose(self, n):
        """Numbers (n,) of `glc.nets.layers.dct.SYMMETRIES`, all equally likely, by torch's own generator."""
        return torch.randint(len(dct.SYMMETRIES), (n,))

    def _placed(self, x, layout):
        if layout.kind == "cube":
            x = x.mean(dim=(-2, -1), keepdim=True)
            if not self._terms:
                return x.expand(-1, -1, self.rows, self.cols)
        elif layout.kind == "coeffs" and self.expand:
            return dct.expand(x, self.expand, from_size=layout.size)
        return F.pad(x, (0, self.cols - x.shape[-1], 0, self.rows - x.shape[-2]))


def common_size(layouts):
    """Side in pixels that the tiles of `layouts` share; a ConfigError names inputs that differ, or tells of none."""
    sizes = {name: layout.size for name, layout in layouts.items() if layout.kind in ("coeffs", "pixels")}
    if len(set(sizes.values())) != 1:
        listed = ", ".join(f"{name} ({size})" for name, size in sizes.items()) or "no tiles"
        raise ConfigError(
            f"inputs: found tiles of {listed} pixels, expected one size to expand to; give all one `size`"
        )
    return next(iter(sizes.values()))


def pixel_symmetries(tiles, which):
    """Apply its own symmetry to each sample of square tiles (batch, ..., row, col): `dct.symmetries` for pixels."""
    turned = torch.empty_like(tiles)
    for number, (transposed, rows, cols) in enumerate(numpy_dct.SYMMETRIES.values()):
        mine = (which == number).nonzero()[:, 0].to(tiles.device)
        x = tiles[mine]
        x = x.mT if transposed else x
        turned[mine] = x.flip([axis for axis, reverse in ((-2, rows), (-1, cols)) if reverse])
    return turned


def _shape(layouts, expand):
    """(rows, cols, whether they are coefficients) of the one map that `layouts` make."""
    kinds = {name: layout.kind for name, layout in layouts.items() if layout.kind != "cube"}
    given = "inputs: found " + (", ".join(f"{name} ({layout.kind})" for name, layout in layouts.items()) or "none")
    if not kinds:
        raise ConfigError(f"{given}, expected a map among them; name tiles, or a series with coeffs = true")
    if expand and "series" in kinds.values():
        raise ConfigError(
            f"{given}, expected no series where tiles are expanded: its coefficients are not a map; expand = false"
        )
    if not expand and "pixels" in kinds.values() and len(set(kinds.values())) > 1:
        raise ConfigError(f"{given}, expected coefficients or pixels alone; give all the same block, or expand = true")
    expanded = [name for name, kind in kinds.items() if expand and kind == "coeffs"]
    shapes = [(expand, expand) if name in expanded else layouts[name].shape[1:] for name in kinds]
    terms = not expand and "pixels" not in kinds.values()
    if not terms and len(set(shapes)) > 1:
        listed = ", ".join(f"{name} ({rows} x {cols})" for name, (rows, cols) in zip(kinds, shapes, strict=True))
        raise ConfigError(f"inputs: found {listed} pixels, expected tiles of one size; give all one `size`")
    return max(rows for rows, _ in shapes), max(cols for _, cols in shapes), terms


def _moments(layout, moments, symmetries, expand):
    """Mean and deviation (band, row, col) float64 by which the values of an input are standardised."""
    mean, std = (np.asarray(part, np.float64) for part in (moments.mean, moments.std))
    if layout.kind == "pixels":
        return _of_bands(mean, std)
    if layout.kind == "cube":  # each value by its own mean, all by one deviation: the mean of them keeps its units
        return mean, np.broadcast_to(std.mean(axis=(1, 2), keepdims=True), std.shape).copy()
    largest = np.hypot(mean, std).max(axis=(1, 2), keepdims=True)
    if layout.kind == "coeffs" and expand:
        mean, std = _of_expanded(mean, std, layout.size)
        largest = largest / layout.size
    elif layout.kind == "coeffs" and symmetries:
        mean, std = _symmetrised(mean, std)
    return mean, np.where(std > _NOISE * largest, std, 0)


def _of_bands(mean, std):
    """One mean and deviation for all pixels of a band, from those of each pixel."""
    middle = mean.mean(axis=(1, 2), keepdims=True)
    spread = np.sqrt((std**2 + (mean - middle) ** 2).mean(axis=(1, 2), keepdims=True))
    return np.broadcast_to(middle, mean.shape).copy(), np.broadcast_to(spread, std.shape).copy()


def _of_expanded(mean, std, size):
    """The same of the pixels that coefficients of tiles of `size` expand to, as it is applied to the coefficients.

    By Parseval the pixels' mean square is the sum of the squared terms over size^2, and their mean the first term over
    size; all but the first term is therefore variance. Expanding is linear: to take the mean from the first term and to
    divide all terms by the deviation standardises the pixels.
    """
    first = np.zeros(mean.shape[1:])
    first[0, 0] = 1
    variance = (std**2 + mean**2 * (1 - first)).sum(axis=(1, 2), keepdims=True) / size**2
    return mean * first, np.broadcast_to(np.sqrt(variance), std.shape).copy()


def _symmetrised(mean, std):
    """Moments of the coefficients when each of the eight symmetries is as likely."""
    means = np.stack([numpy_dct.symmetry(mean, name) for name in numpy_dct.SYMMETRIES])
    stds = np.stack([numpy_dct.symmetry(std, name) for name in numpy_dct.SYMMETRIES])
    middle = means.mean(axis=0)
    return middle, np.sqrt((stds**2 + (means - middle) ** 2).mean(axis=0))
