#!/usr/bin/env bash
# Installs glc, with the versions of constraints.txt, into the virtual environment VENV, which is made if there is none:
#   deploy/install.sh VENV [EXTRA,EXTRA...]
# PYTHON: what the environment is made of; without it the newest of 3.11 to 3.13 that runs here, else one that uv brings.
# TORCH: cpu or cuda; without it as the driver here asks for.
# RESOLUTION: lowest-direct for the lowest versions within the bounds of pyproject.toml, instead of constraints.txt.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$1 extras=${2:-}
started=$SECONDS

version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# the first of some commands that is a Python of 3.11 to 3.13 with venv, which Debian has in a package of its own
fitting() {
    for each in "$@"; do
        case $(version "$each") in 3.11 | 3.12 | 3.13) ;; *) continue ;; esac
        if "$each" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$each"
            return
        fi
    done
}

if [ ! -x "$venv/bin/python" ]; then
    python=${PYTHON:-$(fitting python3.13 python3.12 python3.11 python3)}
    if [ -n "${PYTHON:-}" ] && [ -z "$(fitting "$PYTHON")" ]; then
        found=$(version "$PYTHON" || true)
        found=${found:+Python $found}
        found=${found:-no working Python}
        echo "PYTHON=$PYTHON is $found, expected 3.11 to 3.13 with venv; try: make PYTHON=/path/to/python3.13" >&2
        exit 1
    elif [ -n "$python" ]; then
        "$python" -m venv "$venv"
    elif command -v uv >/dev/null; then
        uv venv --quiet --seed --python 3.13 "$venv"
    else
        cat >&2 <<'END'
No Python of 3.11 to 3.13 with venv is on the path; one of these brings it:
  Debian:  sudo apt-get install python3-venv
  Ubuntu:  sudo apt-get install python3-venv    (24.04 and later)
  macOS:   brew install python@3.13
  others:  pip install uv    (make then lets uv bring Python 3.13)
END
        exit 1
    fi
fi

# what pip is told of other indices holds for uv too, which installs in a third of the time
if [ -n "${PIP_FIND_LINKS:-}" ]; then export UV_FIND_LINKS="${UV_FIND_LINKS:-$PIP_FIND_LINKS}"; fi
if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"; fi
uv=uv
if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$venv/bin/python" -m pip install --quiet 'uv>=0.9,<1' --constraint constraints.txt
    uv=$venv/bin/uv
fi
versions=(--constraint constraints.txt)
if [ -n "${RESOLUTION:-}" ]; then versions=(--resolution "$RESOLUTION"); fi
install() {
    "$uv" pip install --quiet --python "$venv/bin/python" "$@" --upgrade-package pip "${versions[@]}" \
        pip --editable ".${extras:+[$extras]}"
}
case ${TORCH:-auto} in
cuda) install ;;
auto | cpu)
    install --torch-backend="${TORCH:-auto}" 2>"$venv/install.log" || {
        reason=$(sed -n '$s/^ *cause: //p' "$venv/install.log")
        echo "PyTorch's own index gives nothing${reason:+ ($reason)}; the package index may give a build for CUDA," \
            'several GB more' >&2
        install || {
            cat "$venv/install.log" >&2
            exit 1
        }
    }
    rm -f "$venv/install.log"
    ;;
*)
    echo "TORCH=$TORCH: expected cpu or cuda" >&2
    exit 1
    ;;
esac
echo "installed into $venv: $(du -sh "$venv" | cut -f1), $((SECONDS - started)) s"
