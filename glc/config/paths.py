"""Where the settings are: ``conf`` of a checkout, or the copy inside an installed package."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "conf"
"""setup.py puts the checkout's ``conf`` there when it builds a wheel; a checkout has no such folder."""

CONF: Path = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "conf"
"""Folder of luigi.cfg and experiments."""

CHECKOUT: Path | None = None if _INSTALLED.is_dir() else _PACKAGE.parent
"""Folder of the checkout; None when glc is installed from a wheel."""


def home() -> Path:
    """Folder that relative paths of the settings start from: the checkout, or else the working folder."""
    return CHECKOUT or Path.cwd()
