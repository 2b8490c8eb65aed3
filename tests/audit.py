"""Known vulnerabilities of the installed packages, or the words "not checked".

    python -m tests.audit        (make audit)

pip-audit alone cannot be trusted to have looked: where an index answers but has no advisories, each package is "not
found on PyPI" and it ends with "No known vulnerabilities found" and 0. So a package with a published vulnerability is
asked for first, and a service that does not report it is not believed.

Exit codes: 0 checked and nothing is known, 1 something is known, 2 not checked. A true check is written into
SECURITY.md.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

SERVICES = ("pypi", "osv")
KNOWN = "jinja2==2.4.1"
"""Of 2010; its vulnerabilities have been published since 2014 (CVE-2014-1402)."""
SECURITY = Path(__file__).resolve().parents[1] / "SECURITY.md"
LINE = "Last check of the dependencies: "

Run = Callable[[list[str]], tuple[str, str]]
"""Arguments of pip-audit -> what it writes to standard output and to standard error."""


@dataclass(frozen=True)
class Audit:
    """What pip-audit reported.

    found : lines on packages with a vulnerability; checked : number of packages that the service knew
    skipped : those that it did not know; failure : why there is no report at all, or empty
    """

    found: list[str]
    checked: int
    skipped: list[str]
    failure: str = ""


def pip_audit(arguments: list[str]) -> tuple[str, str]:
    """Run pip-audit of this environment."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout, done.stderr


def read(output: str, errors: str) -> Audit:
    """The `Audit` in what pip-audit wrote."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ["pip-audit wrote nothing"])[-1]
        return Audit([], 0, [], last[:200])
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'nothing'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    return Audit(found, len(packages) - len(skipped), skipped)


def main(arguments: list[str] | None = None, run: Run = pip_audit, security: Path = SECURITY) -> int:
    """Check, print what is known and return the exit code."""
    argparse.ArgumentParser("python -m tests.audit", description=__doc__.splitlines()[0]).parse_args(arguments)
    refused = {}
    for service in SERVICES:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "known.txt").write_text(f"{KNOWN}\n")
            known = ["--no-deps", "--disable-pip", "--requirement", f"{folder}/known.txt"]
            probe = read(*run(["--vulnerability-service", service, *known]))
        if not probe.found:
            refused[service] = probe.failure or f"does not know the published vulnerabilities of {KNOWN}"
            continue
        audit = read(*run(["--vulnerability-service", service, "--skip-editable"]))
        if audit.checked:
            return _tell(service, audit, security)
        refused[service] = audit.failure or "knows none of the installed packages"
    print("not checked: no advisory service answers", file=sys.stderr)
    for service, why in refused.items():
        print(f"  {service}: {why}", file=sys.stderr)
    print("  try where pypi.org or api.osv.dev can be reached", file=sys.stderr)
    return 2


def _tell(service: str, audit: Audit, security: Path) -> int:
    summary = f"{audit.checked} packages by {service}, {len(audit.found)} known vulnerabilities"
    if audit.skipped:
        summary += f", {len(audit.skipped)} not checked ({', '.join(audit.skipped)})"
    print(*audit.found, f"checked {summary}", sep="\n")
    line = f"{LINE}{date.today()}, {summary}."
    security.write_text(re.sub(rf"^{LINE}.*$", lambda _: line, security.read_text(), flags=re.MULTILINE))
    return 1 if audit.found else 0


if __name__ == "__main__":
    sys.exit(main())
