#!/usr/bin/env bash
# Makes an object of every prompt in a file, judges each with `dreamfusion eval`, and prints a Markdown table.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/evaluate.sh [PROMPTS [OUT]] [-- options of dreamfusion ...]

  PROMPTS   a prompt a line, '#' comments (default: configs/evaluation_prompts.txt)
  OUT       folder of the runs (default: outputs/evaluation); finished runs are kept, so it can be stopped and started again
The table goes to stdout and OUT/evaluation.md, one of the meshes to OUT/meshes.md; OUT/<prompt>/evaluation.png shows each object from eight sides, and, where
ImageMagick is installed, OUT/evaluation.jpg all of them in the order of the table, two a row.
END
}

# shellcheck source-path=SCRIPTDIR source=lib/evaluation.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/evaluation.sh"
read_arguments "$root/configs/evaluation_prompts.txt" outputs/evaluation "$@"

rows="| prompt | kind right | colour right | both right | kind, textureless | shape IoU |
|---|---|---|---|---|---|"
meshes="| prompt | faces | pieces | watertight | genus | crossings | silhouette IoU | colours [dB] | texels/m | seconds |
|---|---|---|---|---|---|---|---|---|---|"
total=0 both=0 textureless=0 textureless_views=0 overlaps="" pictures=()
while IFS= read -r prompt; do
  run=$out/$(run_name "$prompt")
  judged_run "$run" "$prompt" "${options[@]}"
  result=$run/evaluation.json
  rows+="
| $prompt | $(field kind_right "$result") | $(field colour_right "$result") | $(field both_right "$result") | $(field kind_right_textureless "$result") | $(field shape_iou "$result" | cut -c1-5) |"
  mesh=$run/mesh_report.json
  meshes+="
| $prompt | $(field faces "$mesh") | $(field components "$mesh") | $(field watertight "$mesh") | $(field genus "$mesh") | $(field self_intersections "$mesh") | $(field silhouette_iou "$mesh" | cut -c1-5) | $(field color_psnr_db "$mesh" | cut -c1-4) | $(field texels_per_unit "$mesh" | cut -c1-3) | $(field seconds "$mesh" | cut -c1-4) |"
  pictures+=("$run/evaluation.png")
  total=$((total + 1))
  [ "$(field both_right "$result")" -lt 6 ] || both=$((both + 1))
  [ "$(field kind_right_textureless "$result")" -lt 6 ] || textureless=$((textureless + 1))
  textureless_views=$((textureless_views + $(field kind_right_textureless "$result")))
  overlaps+=" $(field shape_iou "$result")"
  echo "$total  $prompt: both right in $(field both_right "$result") of 8" >&2
done <<<"$prompts"
{
  echo "$rows"
  echo
  echo "Kind and colour right in at least 6 of 8 views: $both of $total. Kind right when textureless: in at least 6 of 8 views" \
    "$textureless of $total, of all views $((100 * textureless_views / (8 * total))) %. Mean shape IoU:" \
    "$(echo "$overlaps" | tr ' ' '\n' | awk 'NF { sum += $1; n++ } END { printf "%.2f", sum / n }')."
} | tee "$out/evaluation.md"
echo "$meshes" >"$out/meshes.md"
if command -v montage >/dev/null; then
  montage "${pictures[@]}" -tile 2x -geometry 512x192+4+2 -quality 85 "$out/evaluation.jpg"
fi
