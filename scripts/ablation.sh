#!/usr/bin/env bash
# What each part of the method brings (DreamFusion, arXiv:2209.14988, Fig. 6): the same prompts with one part more each time.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/ablation.sh [PROMPTS [OUT]] [-- options of dreamfusion ...]

  PROMPTS   a prompt a line, '#' comments (default: configs/ablation_prompts.txt)
  OUT       folder of the runs (default: outputs/ablation); finished runs are kept, so it can be stopped and started again
The table goes to stdout and OUT/ablation.md, and, where ImageMagick is installed, OUT/ablation.jpg shows every object: a row a
stage, a column a prompt, each from the front, the side and behind, as albedo, lit and textureless.
END
}

# shellcheck source-path=SCRIPTDIR source=lib/evaluation.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/evaluation.sh"
read_arguments "$root/configs/ablation_prompts.txt" outputs/ablation "$@"

stages=("base" "+ wide views" "+ view prompts" "+ lighting" "+ textureless")
# parts_of STAGE: its settings, one a line, on top of configs/base.json. A stage has all parts of the stages before it.
parts_of() {
  local wide=0 prompts=0 lit=0.0 textureless=0.0
  if (($1 >= 1)); then wide=1; fi
  if (($1 >= 2)); then prompts=1; fi
  if (($1 >= 3)); then lit=0.75; fi          # the paper's share, after a tenth of the run
  if (($1 >= 4)); then textureless=0.5; fi   # the paper's share of those
  if ((!wide)); then printf '%s\n' 'camera.elevation_deg=[0,30]' 'camera.area_uniform_fraction=0'; fi
  if ((!prompts)); then printf '%s\n' 'guidance.view_conditioning=words' 'guidance.view_dependent_prompting=false'; fi
  printf '%s\n' "light.lit_probability=[0.1,0.0,$lit,0.1]" "light.textureless_probability=$textureless"
}

# share NAME FILE ...: the mean of field NAME over the files as a percentage of eight views
share() {
  local name=$1 file
  shift
  for file; do field "$name" "$file"; done | awk '{ sum += $1 } END { printf "%.0f %%", 100 * sum / (8 * NR) }'
}
mean() {
  local name=$1 file
  shift
  for file; do field "$name" "$file"; done | awk '{ sum += $1 } END { printf "%.2f", sum / NR }'
}

# contact_sheet STAGE FILE ...: front, side and back of each object, in a row
contact_sheet() {
  local stage=$1 file cuts=()
  shift
  for file; do
    convert "$file" -crop 128x384 +repage "$out/view-%d.png"  # eight columns, azimuth 0, 45, …
    convert "$out"/view-{0,2,4}.png +append "${file%.png}-three.png"
    cuts+=("${file%.png}-three.png")
  done
  rm -f "$out"/view-*.png
  convert "${cuts[@]}" -resize 50% -bordercolor white -border 3 +append "$out/stage-$stage.png"
}

table="| stage | albedo: kind | albedo: kind and colour | lit: kind | lit: kind and colour | textureless: kind | shape IoU |
|---|---|---|---|---|---|---|"
for stage in "${!stages[@]}"; do
  results=() pictures=()
  mapfile -t parts < <(parts_of "$stage")
  while IFS= read -r prompt; do
    run=$out/$stage/$(run_name "$prompt")
    mkdir -p "$out/$stage"
    judged_run "$run" "$prompt" "${parts[@]}" "${options[@]}"
    results+=("$run/evaluation.json") pictures+=("$run/evaluation.png")
    echo "${stages[stage]}: $prompt: textureless right in $(field kind_right_textureless "$run/evaluation.json") of 8" >&2
  done <<<"$prompts"
  table+="
| ${stages[stage]} | $(share kind_right_albedo "${results[@]}") | $(share both_right_albedo "${results[@]}") | $(share kind_right "${results[@]}") | $(share both_right "${results[@]}") | $(share kind_right_textureless "${results[@]}") | $(mean shape_iou "${results[@]}") |"
  if command -v convert >/dev/null; then contact_sheet "$stage" "${pictures[@]}"; fi
done
echo "$table" | tee "$out/ablation.md"
if command -v convert >/dev/null; then
  convert "$out"/stage-?.png -append -quality 85 "$out/ablation.jpg"
fi
