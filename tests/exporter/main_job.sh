#!/usr/bin/env bash
# From the prompt to the mesh with exported pipelines of random weights: stopped, resumed to the same mesh, memory reported; a latent
# one also with the small VAE that ships.
#   main_job.sh BINARY PACKS
set -euo pipefail
binary=$1 packs=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

generate() {  # RUN PACK CONFIG [OPTION ...]
  local run=$work/$1 pack=$packs/$2/pack config=$3
  shift 3
  "$binary" --prompt "a red mushroom" --prior "$pack" -c "$config" -o "$run" --iters 6 --threads 1 --guidance-preview \
    'field.hash.resolutions=[8,16]' field.hash.width=16 render.train_resolution=16 render.samples_per_ray=24 turntable.frames=2 \
    turntable.size=24 mesh.resolution=24 background.type=random "$@" 2>"$work/log" || return
}

check() {  # RUN PACK CONFIG [OPTION ...]
  local name=$1 status=0
  echo "$*"
  generate "$@" || { cat "$work/log"; exit 1; }
  grep -q 'memory: at most .* of which the prior' "$work/log"
  [[ -s $work/$name/guidance_preview.png && -s $work/$name/turntable/turntable.webp ]]
  mv "$work/$name/mesh.obj" "$work/whole.obj"
  generate "$@" --force --stop-at 3 || status=$?
  [[ $status == 130 && ! -e $work/$name/mesh.obj ]]
  "$binary" --resume="$work/$name" 2>"$work/log" || { cat "$work/log"; exit 1; }
  cmp "$work/$name/mesh.obj" "$work/whole.obj"
}

check sd1 sd1 stable-diffusion.json
check sd1_taesd sd1 stable-diffusion.json --vae taesd
check sd1_warm sd1 stable-diffusion.json guidance.latent_warmup_steps=4
check sd1_float16 sd1_float16 stable-diffusion.json
check sd2 sd2 stable-diffusion.json
check sdxl sdxl stable-diffusion.json
check if if deepfloyd.json
check mvdream mvdream mvdream.json
echo 'all packs run from the prompt to the mesh'
