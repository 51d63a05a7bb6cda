#!/usr/bin/env bash
# Stable Diffusion 1.5's size, random weights: export, verify, and some steps from the prompt to the mesh, with its own VAE and with
# the small one. About a quarter of an hour on two cores, 8 GB of disk and 10 GB of memory.
#   full_size.sh PYTHON BINARY FOLDER [DTYPE]
set -euo pipefail
python=$1 binary=$2 folder=$3 dtype=${4:-float16}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DREAMFUSION_HOME=${here%/tests/exporter}

rm -rf "$folder"
mkdir -p "$folder"
trap 'rm -rf "$folder"' EXIT

"$python" "$here/heavy.py" "$folder" --dtype "$dtype"
(cd "$folder/pack" && du -h --apparent-size ./*)
"$binary" prior verify "$folder/pack"

run() {  # NAME STEPS [OPTION ...]
  local name=$1 steps=$2
  shift 2
  "$binary" --prompt "a red mushroom" --config stable-diffusion.json --prior "$folder/pack" -o "$folder/$name" --iters "$steps" \
    --guidance-preview render.train_resolution=32 turntable.frames=2 turntable.size=64 mesh.resolution=32 "$@" || return
  [[ -s $folder/$name/mesh.obj && -s $folder/$name/guidance_preview.png && -s $folder/$name/embeddings.safetensors ]]
}

status=0
run own 3 --stop-at 2 || status=$?
[[ $status == 130 ]]
"$binary" --resume="$folder/own"
run taesd 2 --vae taesd
echo 'a model of full size exports, verifies and runs'
