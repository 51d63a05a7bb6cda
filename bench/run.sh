#!/usr/bin/env bash
# Measures everything that docs/performance.md shows, and writes its figures and plots. Takes a few minutes; use an idle machine.
set -euo pipefail

usage() {
  cat <<'END'
usage: bench/run.sh [OUT]

  OUT   folder for the raw results (default: a temporary one): bench.json, python.json and scene.pt
The baseline in Python runs where a Python with PyTorch is: DREAMFUSION_EXPORT_PYTHON, that of scripts/export_prior.py's tests, or
python3. Without one its column stays empty.
END
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$root/build/release/dreamfusion
[ -x "$program" ] || { echo "error: $program is not built; fix: scripts/quickstart.sh" >&2; exit 1; }
out=${1:-$(mktemp -d)}
mkdir -p "$out"

python_with_torch() {
  local python
  for python in "${DREAMFUSION_EXPORT_PYTHON:-}" "${DREAMFUSION_CACHE:-$HOME/.cache/dreamfusion}"/export-*/bin/python python3; do
    if [ -n "$python" ] && "$python" -c 'import torch' >/dev/null 2>&1; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

"$program" bench --config "$root/configs/base.json" --sweep --json "$out/bench.json" --export "$out/scene.pt"
if python=$(python_with_torch); then
  "$python" "$root/bench/python/render_step.py" "$out/scene.pt" --repeats 20 >"$out/python.json"
else
  echo "no Python with PyTorch: its baseline is left out" >&2
  rm -f "$out/python.json"
fi
python3 "$root/bench/python/report.py" "$out" "$root/docs/performance.md"
echo "written: $root/docs/performance.md (raw results in $out)"
