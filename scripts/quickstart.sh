#!/usr/bin/env bash
# From a bare machine to a 3D object: set-up, build, and one run of the program.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # for `sh scripts/quickstart.sh`
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/quickstart.sh ["PROMPT"] [options of dreamfusion ...]

Installs what is missing (Debian packages, LibTorch), builds the program and makes a 3D object of PROMPT
(default: "a red mushroom"). The first run takes minutes, later ones start in seconds.

  scripts/quickstart.sh "a blue car"
  scripts/quickstart.sh "a blue car" --config quick.json --seed 3
  scripts/quickstart.sh "a white rocket with blue fins" -o my-rocket guidance.guidance_scale=6

Everything after the prompt goes to the program (build/release/dreamfusion --help lists it). Added where it is not given:
  --config configs/base.json (a bare name, such as quick.json, is one of configs/)
  -o outputs/<words of the prompt>   in the current folder, with a number where that folder exists already;
                                     with --resume the newest of these folders, with --force the first
For the set-up's environment variables see scripts/setup.sh --help.
END
}

# shellcheck source-path=SCRIPTDIR source=lib/all.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

# Sets `arguments`, what the program is given: the command line, and the defaults that it lacks.
read_arguments() {
  local prompt='a red mushroom' has_prompt=0 has_config=0 has_output=0 again=''
  # key=value is an override, not a prompt.
  if (($# > 0)) && [[ $1 != -* && ! $1 =~ ^[A-Za-z_][A-Za-z0-9_.]*= ]]; then
    set -- --prompt "$@"
  fi
  arguments=("$@")
  while (($# > 0)); do
    case $1 in
      -p | --prompt) has_prompt=1 prompt=${2-} ;;
      --prompt=*) has_prompt=1 prompt=${1#*=} ;;
      -c | --config | --config=*) has_config=1 ;;
      -o* | --output | --output=*) has_output=1 ;;
      # A run that is named knows its own prompt, configuration and folder.
      --resume=?*) has_prompt=1 has_config=1 has_output=1 ;;
      --resume | --force) again=${1#--} ;;
    esac
    shift
  done
  ((has_prompt)) || arguments+=(--prompt "$prompt")
  ((has_config)) || arguments+=(--config "$DREAMFUSION_ROOT/configs/base.json")
  # An empty prompt is the program's to refuse.
  if ((!has_output)) && [[ -n $prompt ]]; then arguments+=(-o "$(choose_output "$prompt" "$again")"); fi
}

# choose_output PROMPT resume|force|'' → outputs/<slug>, or with -2, -3 … where that exists: a run that is there already
# is never touched, unless --resume or --force asks for it.
choose_output() {
  local name folder number=1 newest
  name=$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]' | LC_ALL=C tr -cs 'a-z0-9' '-' | cut -c1-64)
  name=${name#-}
  name=${name%-}
  folder=outputs/${name:-object}
  newest=$folder
  while [[ $2 != force && -e $newest ]]; do
    number=$((number + 1))
    if [[ $2 == resume && ! -e $folder-$number ]]; then break; fi
    newest=$folder-$number
  done
  printf '%s' "$newest"
}

for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
  esac
done
catch_exits
read_arguments "$@"
set_up
build_preset release dreamfusion
# The program prints where the turntable and the mesh are; its exit code is this script's.
exec "$DREAMFUSION_ROOT/build/release/dreamfusion" "${arguments[@]}"
