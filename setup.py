"""What pyproject.toml cannot say: the checkout's folder ``conf`` is the package ``glc.conf`` of a wheel."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["glc", "glc.*"]), "glc.conf"], package_dir={"glc.conf": "conf"})
