#!/usr/bin/env bash
# On the VM, as root: takes the settings and the secrets of a run on standard input, and starts it.
# Secrets come this way, not as metadata, which every process of the VM and everybody who may look at the project reads,
# and not as arguments, which ps shows. The file is in memory, and only root may read it; systemd hands it to the run.
set -euo pipefail
umask 077

state=${GLC_STATE:-/run/glc}
units=${GLC_UNITS:-/etc/systemd/system}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if systemctl is-active --quiet glc-run; then
    echo "an experiment is running on this VM already; look: make vm-logs; end it: make vm-delete" >&2
    exit 1
fi
cat >"$state/environment"
install -m 644 "$here/glc-run.service" "$units/glc-run.service"
systemctl daemon-reload
systemctl reset-failed glc-run 2>/dev/null || true
systemctl start glc-run
