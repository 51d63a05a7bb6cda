#!/usr/bin/env bash
# Imports a run's OBJ and GLB into Blender without a window, checks size, place, faces and texture, and renders a picture of each.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/check_blender.sh RUN [OUT]

  RUN   a run folder with mesh.obj, mesh.glb and mesh_report.json (mesh.placement=ground)
  OUT   where blender_obj.png and blender_glb.png go (default: RUN)
Debian's Blender is installed with apt-get where there is none (half a gigabyte).
END
}

case ${1:-} in
  '' | -h | --help) usage; [ -n "${1:-}" ] || exit 2; exit 0 ;;
esac
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=$1 out=${2:-$1}
mkdir -p "$out"
for file in mesh.obj mesh.glb mesh_report.json; do
  [ -e "$run/$file" ] || { echo "error: $run/$file is not there; fix: dreamfusion export $run" >&2; exit 1; }
done
if ! command -v blender >/dev/null; then
  as_root=; [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  $as_root apt-get install -y -qq --no-install-recommends blender python3-numpy
fi
status=0
for format in obj glb; do
  log=$(mktemp)
  if ! blender --background --factory-startup --python-exit-code 1 --python "$scripts/check_blender.py" -- \
    "$run/mesh.$format" "$run/mesh_report.json" "$(cd "$out" && pwd)/blender_$format.png" >"$log" 2>&1; then
    status=1
  fi
  grep -E '^(OK|FAULT|NOTE)' "$log" || { status=1; tail -n 20 "$log"; }
  # What the importers themselves have to say is a fault as well.
  if grep -iE 'warning|error' "$log" | grep -vE '^(OK|FAULT|NOTE)|ALSA|audio|libdecor|Color management|OCIO|XDG_RUNTIME'; then status=1; fi
  rm -f "$log"
done
exit $status
