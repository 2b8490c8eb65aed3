"""`glc.dct` for torch: differentiable, on any device, with a random symmetry for every sample of a batch.

The basis, the axes (..., row, col) and the names are those of `glc.dct`. Values that are not finite pass through, as
they do everywhere in torch: to look for them would make a GPU wait at every step.
"""

from functools import lru_cache

import torch

from glc import dct
from glc.errors import ConfigError, DataError

SYMMETRIES = tuple(dct.SYMMETRIES)
"""Names of the eight symmetries of the square, in the order of `symmetries`."""
_BITS = torch.tensor(list(dct.SYMMETRIES.values()))


def compress(tiles, block):
    """Keep the low spatial frequencies, (..., row, col) to (..., block, block) in float32 or float64; see `glc.dct`.

    Autocast does not lower the precision: the first term is large, and bfloat16 would keep three digits of it.
    """
    rows, cols = _spatial(tiles)
    if not 1 <= block <= min(rows, cols):
        raise ConfigError(
            f"block={block}: found tiles of {rows} x {cols} pixels, expected 1 to {min(rows, cols)}; "
            f"keep fewer coefficients or cut larger tiles"
        )
    return _product(tiles, _basis(rows, block, tiles), _basis(cols, block, tiles))


def expand(coeffs, size, from_size=None):
    """Tiles (..., size, size) of coefficients (..., block, block), the inverse of `compress`; see `glc.dct.expand`."""
    rows, cols = _spatial(coeffs)
    origin = size if from_size is None else from_size
    scale = dct.expansion_scale(coeffs.shape, (-2, -1), (size, size), (origin, origin))
    tiles = _product(coeffs, _basis(size, rows, coeffs).mT, _basis(size, cols, coeffs).mT)
    return tiles if scale == 1 else tiles * scale


def symmetry(coeffs, name):
    """Apply the symmetry `name` of `SYMMETRIES` to all coefficients (..., block, block)."""
    transposed, rows, cols = dct.symmetry_named(name)
    _spatial(coeffs)
    coeffs = coeffs.mT if transposed else coeffs
    if rows:
        coeffs = coeffs * _signs(coeffs, -2)[:, None]
    if cols:
        coeffs = coeffs * _signs(coeffs, -1)
    return coeffs


def symmetries(coeffs, which):
    """Apply its own symmetry to each sample, all its bands alike.

    coeffs : (batch, ..., block, block); which : (batch,) int64, numbers of `SYMMETRIES`
    The same numbers applied to other coefficients of the same surveys keep the two in step.
    """
    rows, cols = _spatial(coeffs)
    if rows != cols:
        raise ConfigError(
            f"found coefficients of {rows} x {cols}, expected a square block: rotations exchange its axes"
        )
    if coeffs.ndim < 3 or which.shape != coeffs.shape[:1]:
        raise DataError(
            f"found {tuple(which.shape)} numbers for coefficients of shape {tuple(coeffs.shape)}, expected "
            f"(batch, ..., block, block) and one number for each of the batch"
        )
    bits = _BITS.to(coeffs.device)[which.to(coeffs.device)]
    transposed, by_row, by_col = bits.view(len(bits), *(1,) * (coeffs.ndim - 1), 3).unbind(-1)
    signs = _signs(coeffs, -1)
    coeffs = torch.where(transposed, coeffs.mT, coeffs)
    return coeffs * torch.where(by_row, signs[:, None], 1) * torch.where(by_col, signs, 1)


def random_symmetry(coeffs, generator=None):
    """Apply to each sample of (batch, ..., block, block) one of the eight symmetries, all equally likely.

    generator : a torch.Generator, of any device; torch's own when None
    """
    _spatial(coeffs)
    device = "cpu" if generator is None else generator.device
    which = torch.randint(len(SYMMETRIES), coeffs.shape[:1], generator=generator, device=device)
    return symmetries(coeffs, which)


def _spatial(x):
    if x.ndim < 2:
        raise DataError(f"found a tensor of shape {tuple(x.shape)}, expected (..., row, col); reshape it")
    if x.dtype not in (torch.float32, torch.float64):
        raise DataError(f"found a tensor of {x.dtype}, expected float32 or float64; convert it with .float()")
    return x.shape[-2:]


def _product(x, left, right):
    with torch.autocast(x.device.type, enabled=False):
        return left @ (x @ right.mT)


def _basis(size, block, like):
    return _tensor(size, block, like.dtype, like.device)


@lru_cache(maxsize=64)
def _tensor(size, block, dtype, device):
    # validation may ask first: a tensor made under inference mode could never take part in training
    with torch.inference_mode(False):
        return torch.tensor(dct.basis(size, block), dtype=dtype, device=device)


def _signs(coeffs, axis):
    signs = torch.ones(coeffs.shape[axis], dtype=coeffs.dtype, device=coeffs.device)
    signs[1::2] = -1
    return signs
