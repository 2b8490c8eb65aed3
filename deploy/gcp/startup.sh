#!/usr/bin/env bash
# Start-up script of the VM: Compute Engine runs it as root at every boot, and `make vm-run` once more, for new code.
# It installs packages, the GPU's driver and glc, and writes `ready` when all of that is done.
set -euo pipefail

home=${GLC_HOME:-/opt/glc}
state=${GLC_STATE:-/run/glc} # in memory: gone when the VM stops
log=${GLC_STARTUP_LOG:-/var/log/glc-startup.log}
installer=https://storage.googleapis.com/compute-gpu-installation-us/installer/latest/cuda_installer.pyz

metadata() { # of this instance, set by `make vm-create` and `make vm-run`
    curl --silent --show-error --fail --header 'Metadata-Flavor: Google' \
        "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$1"
}

as_glc() { runuser -u glc -- env HOME="$home" "$@"; }

install -d -m 700 "$state"
exec >>"$log" 2>&1
exec 9>"$state/lock"
flock 9 # the boot's own call may still be at work
if systemctl is-active --quiet glc-run; then
    echo "an experiment is running: nothing is changed"
    exit 0
fi
rm -f "$state/ready"

# A guard of the VM's own, next to --max-run-duration. It counts from the boot, as that does.
up=$(cut -d. -f1 "${GLC_UPTIME:-/proc/uptime}")
left=$(($(metadata glc-hours) * 60 - up / 60))
shutdown -h "+$((left > 1 ? left : 1))"

if [ ! -e "$home/.packages" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install --yes git make python3.11 python3.11-venv
    id glc >/dev/null 2>&1 || useradd --system --create-home --home-dir "$home" --shell /usr/sbin/nologin glc
    touch "$home/.packages"
fi

accelerator=auto
if [ "$(metadata glc-gpu)" = yes ]; then
    accelerator=gpu
    if ! nvidia-smi >/dev/null 2>&1; then
        # Google's installer reboots the VM, perhaps twice; this script then runs again.
        curl --silent --show-error --fail --location --output "$home/cuda_installer.pyz" "$installer"
        python3 "$home/cuda_installer.pyz" install_driver --installation-mode=binary
    fi
    nvidia-smi # an experiment must not start on a GPU that does not work
fi

gcloud storage cp "$(metadata glc-source)" "$home/glc.bundle"
as_glc git init --quiet "$home/source"
as_glc git -C "$home/source" fetch --quiet "$home/glc.bundle" HEAD
as_glc git -C "$home/source" checkout --quiet --force --detach FETCH_HEAD
as_glc make -C "$home/source" venv
as_glc mkdir -p "$home/logs"

echo "$accelerator" >"$home/accelerator"
as_glc git -C "$home/source" rev-parse HEAD >"$state/ready"
echo "ready: commit $(cat "$state/ready")"
