#!/usr/bin/env bash
# On the VM, as user glc: one experiment, then all outputs to the bucket. The unit glc-run.service then stops the VM.
# Environment: EXPERIMENT, DATASET, IMAGERY, ARGS, BUCKET, VM, HOURS, and the secrets that were given.
set -euo pipefail

home=${GLC_HOME:-/opt/glc}
port=${GLC_PORT:-8082}
root=$home/results
results=gs://$BUCKET/results
bin=$home/source/.venv/bin
reserve=900 # seconds that are kept for the copy

mkdir -p "$home/logs"
exec >>"$home/logs/run.log" 2>&1
echo "$(date --utc +%FT%TZ) $EXPERIMENT on $DATASET, commit $(git -C "$home/source" rev-parse --short HEAD)"
trap : TERM INT # when the VM is stopped, systemd ends glc; the copy below still has to be made

copy() { # also excluded, a part of a regular expression
    gcloud storage rsync --recursive --exclude "(.*/)?(\.[^/]*(\.partial|\.lock|-parts)(/.*)?$1)\$" "$root" "$results"
}

finish() {
    status=$?
    echo "$(date --utc +%FT%TZ) ended with exit status $status"
    [ -z "${scheduler:-}" ] || kill "$scheduler" 2>/dev/null || true
    gcloud storage cp "$home"/logs/*.log "${GLC_STARTUP_LOG:-/var/log/glc-startup.log}" "gs://$BUCKET/logs/$VM/" || true
    if [ -d "$root" ]; then
        # locks, unfinished outputs and saved epochs stay on the VM's disk, for the next run there; manifests go last,
        # so that a copy that is cut off leaves no output that looks finished
        for pause in 10 60 0; do
            copy '|_SUCCESS' && copy '' && break
            sleep "$pause"
        done
    fi
    exit "$status"
}
trap finish EXIT

# what an earlier VM has finished is not made again
if [ ! -d "$root" ] && gcloud storage ls "$results/" >/dev/null 2>&1; then
    mkdir -p "$root.partial"
    gcloud storage rsync --recursive "$results" "$root.partial"
    mv "$root.partial" "$root"
fi

# have a dataset or its imagery on this disk, and print where; what is there already is not transferred again
bring() { # gs://BUCKET/FOLDER, kaggle:EDITION or virtual:NAME; folder for it; options of glc kaggle download
    local from=$1 folder=$home/$2
    shift 2
    if [[ $from == gs://* ]]; then
        folder=$folder/$(basename "$from")
        mkdir -p "$folder"
        gcloud storage rsync --recursive "$from" "$folder" >&2
    elif [[ $from == kaggle:* ]]; then
        folder=$folder/${from#kaggle:}
        "$bin/glc" kaggle download "${from#kaggle:}" --folder "$folder" "$@" >&2
    else
        folder=$from
    fi
    echo "$folder"
}
shopt -s inherit_errexit # what fails in there ends the run
inputs=()
if [ "${IMAGERY:-}" = "$DATASET" ]; then
    data=$(bring "$DATASET" data --all)
else
    data=$(bring "$DATASET" data)
    if [ -n "${IMAGERY:-}" ]; then
        imagery=$(bring "$IMAGERY" imagery --all)
        inputs=(--imagery "$imagery")
    fi
fi

wandb=offline
[ -z "${WANDB_API_KEY:-}" ] || wandb=online
memory_gb=$(awk '/^MemTotal:/ { gb = int($2 * 0.75 / 1048576); print (gb > 2 ? gb : 2) }' /proc/meminfo)
cat >"$home/luigi.cfg" <<CFG
[machine]
root = $root
spark_master = local[$(nproc)]
memory_gb = ${GLC_MEMORY_GB:-$memory_gb}
accelerator = $(cat "$home/accelerator")
wandb_mode = $wandb

[core]
local_scheduler = false
default_scheduler_host = localhost
default_scheduler_port = $port
CFG
export LUIGI_CONFIG_PATH=$home/luigi.cfg XDG_STATE_HOME=$home/state

cd "$home/source"
"$bin/python" -m glc.tasks.scheduler --port "$port" >"$home/logs/scheduler.log" 2>&1 & # on loopback
scheduler=$!
for _ in {1..60}; do
    if curl --silent --fail "http://localhost:$port/" >/dev/null; then break; fi
    sleep 1
done

up=$(cut -d. -f1 "${GLC_UPTIME:-/proc/uptime}")
left=$((HOURS * 3600 - up - reserve))
if ((left <= 0)); then
    echo "HOURS=$HOURS have passed since the VM started, except $((reserve / 60)) minutes for the copy; run it again"
    exit 1
fi
read -ra more <<<"${ARGS:-}"
# --foreground: one signal, to glc, which ends its own processes
timeout --foreground --kill-after=120 "$left" "$bin/glc" run "$EXPERIMENT" --dataset "$data" "${inputs[@]}" "${more[@]}"
