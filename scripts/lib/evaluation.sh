# shellcheck shell=bash
# Runs of many prompts that `dreamfusion eval` judges. A script that reads this file has a function `usage` and the command line
# [PROMPTS [OUT]] [-- options of dreamfusion ...].
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$root/build/release/dreamfusion

# read_arguments PROMPTS OUT ARGUMENT ...: sets `prompts` (a prompt a line), `out` (a folder, made) and `options`; the first two are
# the defaults. Ends the script for --help and where something is missing.
# shellcheck disable=SC2034  # for the script that reads this file
read_arguments() {
  local named=("$1" "$2") given=0
  shift 2
  while (($# > 0)); do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --) shift; break ;;
      -*) echo "error: unknown option $1; fix: options of the program come after --" >&2; exit 2 ;;
      *) ((given < 2)) || { usage >&2; exit 2; }
         named[given++]=$1; shift ;;
    esac
  done
  options=("$@") out=${named[1]}
  [ -x "$program" ] || { echo "error: $program is not built; fix: scripts/quickstart.sh" >&2; exit 1; }
  [ -r "${named[0]}" ] || { echo "error: ${named[0]} cannot be read" >&2; exit 2; }
  prompts=$(grep -v -e '^#' -e '^[[:space:]]*$' "${named[0]}") || { echo "error: ${named[0]} holds no prompt; fix: write one a line" >&2; exit 2; }
  mkdir -p "$out"
}

# judged_run RUN PROMPT [OPTION ...]: an object of PROMPT in the folder RUN and RUN/evaluation.json; nothing where it is there already.
judged_run() {
  local run=$1 prompt=$2 existing=--force
  shift 2
  [ ! -f "$run/evaluation.json" ] || return 0
  [ ! -f "$run/config.json" ] || existing=--resume
  "$program" --prompt "$prompt" --config "$root/configs/base.json" -o "$run" --log-level warning "$existing" "$@" >/dev/null </dev/null
  "$program" eval "$run" >/dev/null </dev/null
}

# run_name PROMPT: a folder name.
run_name() { printf '%s' "$1" | tr -c 'a-zA-Z0-9\n' '-'; }

# field NAME FILE: the value of a number or text in evaluation.json, which has one field a line.
field() { sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$2"; }
