#!/usr/bin/env bash
# Steps a second of each field with everything else as in base.json, in one table. The first steps (warm-up, empty occupancy
# grid) are in: all fields pay them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$root/build/release/dreamfusion
steps=${1:-40}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
[ -x "$program" ] || { echo "error: $program is not built; fix: scripts/quickstart.sh" >&2; exit 1; }

# measure NAME OPTIONS…: seconds of a run of `steps` steps less those of a run of one step
measure() {
  local name=$1 start middle end
  shift
  start=$(date +%s.%N)
  "$program" --prompt "a red mushroom" --config base.json --iters 1 -o "$out/$name-1" --log-level error "$@" turntable.frames=0 \
    mesh.resolution=0 train.preview_every=0 >/dev/null
  middle=$(date +%s.%N)
  "$program" --prompt "a red mushroom" --config base.json --iters "$steps" -o "$out/$name" --log-level error "$@" \
    turntable.frames=0 mesh.resolution=0 train.preview_every=0 >/dev/null
  end=$(date +%s.%N)
  awk -v name="$name" -v n="$steps" -v a="$start" -v b="$middle" -v c="$end" 'BEGIN {
    step = (c - b - (b - a)) / (n - 1); printf "| %s | %.1f | %.3f |\n", name, 1 / step, step }'
}

echo "| field, $steps steps of base.json | steps/s | s/step |"
echo "|---|---|---|"
measure hash
measure hash-analytic-normals field.normals=analytic
measure mlp field=mlp
measure mlp-bfloat16 field=mlp field.mlp.matmul=bfloat16
measure mlp-finite-differences field=mlp field.normals=finite_difference
measure mlp-all-activations-kept field=mlp field.mlp.chunk=0
