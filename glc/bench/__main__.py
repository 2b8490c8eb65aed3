"""Stages side by side with what a user would otherwise do: time, memory, ratio.

python -m glc.bench [STAGE ...] [--root ROOT] [--scale S] [--runs N]
"""

import argparse
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from glc.bench import measure, stage, table
from glc.errors import ConfigError, GlcError, run_command

_HERE = Path(__file__).parent


def _commit() -> str:
    """Short hash of the checkout's commit; empty outside one."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=_HERE, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def main(arguments: list[str] | None = None) -> None:
    """Print the table, write bench.json and bench.png; a GlcError at the end where a stage failed."""
    parser = argparse.ArgumentParser(prog="python -m glc.bench", description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"all, or some of: {', '.join(stage.names())}")
    parser.add_argument("--root", default="out", help="results go to ROOT/bench (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data, 1 for all (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of short ways, after a warm-up (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if not 0 < chosen.scale <= 1:
        raise ConfigError(f"--scale {chosen.scale}: expected more than 0 and at most 1")
    picked = {name: stage.get(name) for name in chosen.stages or stage.names()}
    if not chosen.stages:
        picked = {name: each for name, each in picked.items() if each.always}
    out = Path(chosen.root) / "bench"
    out.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else 160)
    measured, failed = {}, []
    for name, each in picked.items():
        print(f"{name}: {each.title}", file=sys.stderr, flush=True)

        def tell(text: str, name: str = name) -> None:
            print(f"{name}: {text}", file=sys.stderr, flush=True)

        try:
            measured[name] = (each, chosen.scale, measure.measure(each, out, chosen.scale, chosen.runs, tell))
        except GlcError as error:
            failed.append(name)
            tell(f"failed: {error}")
            if isinstance(error, measure.DisagreementError):  # how long they took is of use to who looks for the reason
                for line in error.lines:
                    tell(f"{line.way}: {line.seconds:,.2f} s, {line.peak_bytes / 2**30:.2f} GB, {line.rows:,} rows")
        (out / "bench.json").write_text(table.as_json(measured, _commit()))  # after each: a stage takes minutes
    table.picture(measured, out / "bench.png")
    console.print(table.table(measured))
    print(f"results: {out}/bench.json, {out}/bench.png")
    if failed:
        raise GlcError(f"{len(failed)} of {len(picked)} stages failed, see above: {', '.join(failed)}")


if __name__ == "__main__":
    run_command(main)
