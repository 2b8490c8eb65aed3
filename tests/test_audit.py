"""The check of dependencies: pip-audit's own "No known vulnerabilities found" does not count."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import audit

FLAW = {"id": "PYSEC-2014-8", "fix_versions": ["2.7.2"], "aliases": [], "description": ""}
JINJA = {"name": "jinja2", "version": "2.4.1", "vulns": [FLAW]}
GOOD = {"name": "numpy", "version": "1.26.4", "vulns": []}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0+cpu)"}
NO_NETWORK = ("", "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev', port=443)")


def _written(*packages: dict[str, Any]) -> tuple[str, str]:
    return json.dumps({"dependencies": list(packages), "fixes": []}), "No known vulnerabilities found"


class Services:
    """What pip-audit answers by service: of the known package, and of the environment."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []

    def __call__(self, arguments: list[str]) -> tuple[str, str]:
        self.asked.append(arguments)
        return self.answers[arguments[1]]["--skip-editable" in arguments]


@pytest.fixture
def security(tmp_path: Path) -> Path:
    path = tmp_path / "SECURITY.md"
    path.write_text(f"# Security\n\n{audit.LINE}never.\n\nMore.\n")
    return path


SILENT = {**JINJA, "vulns": []}
BLIND = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited: jinja2 (2.4.1)"}


@pytest.mark.parametrize("probe", [_written(BLIND), _written(SILENT), NO_NETWORK, ("not JSON", "")])
def test_a_service_that_misses_a_known_vulnerability_has_not_checked(probe, security, capsys) -> None:
    services = Services(pypi=(probe, _written(GOOD)), osv=(NO_NETWORK, NO_NETWORK))
    assert audit.main([], services, security) == 2
    told = capsys.readouterr()
    assert told.err.startswith("not checked: no advisory service answers\n  pypi: ")
    assert "api.osv.dev" in told.err
    assert told.out == ""
    assert f"{audit.LINE}never.\n" in security.read_text()
    assert not any("--skip-editable" in arguments for arguments in services.asked)


def test_an_environment_of_which_nothing_is_known_is_not_checked(security, capsys) -> None:
    services = Services(pypi=(_written(JINJA), _written(UNKNOWN)), osv=(NO_NETWORK, NO_NETWORK))
    assert audit.main([], services, security) == 2
    assert "pypi: knows none of the installed packages" in capsys.readouterr().err


def test_a_true_check_is_written_down_with_what_it_left_out(security, capsys) -> None:
    services = Services(pypi=(NO_NETWORK, NO_NETWORK), osv=(_written(JINJA), _written(GOOD, UNKNOWN)))
    assert audit.main([], services, security) == 0
    assert "checked 1 packages by osv, 0 known vulnerabilities, 1 not checked (torch)" in capsys.readouterr().out
    lines = security.read_text().splitlines()
    assert lines[2].startswith(f"{audit.LINE}20")
    assert lines[2].endswith(", 1 packages by osv, 0 known vulnerabilities, 1 not checked (torch).")
    assert (lines[0], lines[4]) == ("# Security", "More.")


def test_what_is_known_is_listed_and_fails(security, capsys) -> None:
    services = Services(pypi=(_written(JINJA), _written(GOOD, JINJA)))
    assert audit.main([], services, security) == 1
    assert "jinja2 2.4.1: PYSEC-2014-8, fixed in 2.7.2" in capsys.readouterr().out


def test_the_page_on_security_says_when_it_was_last_done() -> None:
    lines = [line for line in audit.SECURITY.read_text().splitlines() if line.startswith(audit.LINE)]
    assert len(lines) == 1
