"""The stages of ``python -m glc.bench``: a module each, with one ``STAGE``."""
