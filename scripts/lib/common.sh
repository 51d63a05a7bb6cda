# shellcheck shell=bash
# Messages, steps with a log and a live line, and the number of jobs. Sourced by the scripts in the folder above.
# All messages go to stderr: stdout is for results.

DREAMFUSION_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
DREAMFUSION_LOGS=$DREAMFUSION_ROOT/build/logs
CURRENT_STEP=
FAILURE_TOLD=
TICKER=
# A half-made folder to remove on the way out, whatever ends the script.
HALF_MADE=

# doing "what is going on": named in the message if the script stops here.
doing() { CURRENT_STEP=${1:-}; }

say() { printf '%s\n' "$*" >&2; }

# fail "what went wrong" ["what to do" …]
fail() {
  clear_line
  say "error: $1"
  shift
  local line
  for line in "$@"; do
    if [[ -n $line ]]; then say "  $line"; fi
  done
  FAILURE_TOLD=1
  exit 1
}

# Every script calls this first. A script that set -e stops must not go silently. Ctrl-C goes to the command that runs as
# well as to the script, and some commands answer it as if it were a failure of their own: hence a trap of our own.
catch_exits() {
  trap on_exit EXIT
  trap 'exit 130' INT
}

on_exit() {
  local status=$?
  stop_ticker
  if [[ -n $HALF_MADE ]]; then rm -rf "$HALF_MADE"; fi
  if ((status == 130)); then
    say "interrupted${CURRENT_STEP:+ while: $CURRENT_STEP}; run the same command again to go on"
  elif ((status != 0)) && [[ -z $FAILURE_TOLD ]]; then
    say "error: stopped unexpectedly (status $status)${CURRENT_STEP:+ while: $CURRENT_STEP}"
    say "  logs: $DREAMFUSION_LOGS"
  fi
}

clear_line() {
  # A plain `if`: as `[[ … ]] && …` the function would fail, and set -e stop the script, wherever stderr is no terminal.
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

stop_ticker() {
  [[ -n $TICKER ]] || return 0
  kill "$TICKER" 2>/dev/null || true
  wait "$TICKER" 2>/dev/null || true
  TICKER=
  clear_line
}

# run_step "Doing something" LOG COMMAND…  → the command's status; its output goes to build/logs/LOG.log.
# The command stays in the foreground, where Ctrl-C reaches it, and only the live line is drawn from the background.
# STEP_FOLDER, if set, is a folder whose growing size tells how far a download is.
run_step() {
  local title=$1 log=$DREAMFUSION_LOGS/$2.log status=0 start=$SECONDS
  shift 2
  doing "$title"
  open_log "$log"
  if [[ ! -t 2 ]]; then say "$title ..."; fi
  draw_progress "$title" "$log" "${STEP_FOLDER:-}" &
  TICKER=$!
  # A subshell: were the command a function of this shell, an interruption would send our own message to its log.
  ("$@") >>"$log" 2>&1 </dev/null || status=$?
  stop_ticker
  if ((status == 0)); then
    say "$title: done ($((SECONDS - start)) s)"
    doing
  else
    say "$title: FAILED (status $status). The end of $log:"
    tail -n 20 "$log" | sed 's/^/  | /' >&2
  fi
  return "$status"
}

open_log() {
  if ! { mkdir -p "$(dirname "$1")" && : >"$1"; } 2>/dev/null; then
    fail "cannot write $1" "$(ownership_hint "$DREAMFUSION_ROOT/build")"
  fi
}

# One line that is redrawn every second on a terminal; elsewhere (CI) one line a minute.
draw_progress() {
  local title=$1 log=$2 folder=$3 start=$SECONDS seconds never main=$$
  # Reading from a pipe that never speaks waits without a `sleep` child, which would outlive this process.
  exec {never}<> <(:)
  while kill -0 "$main" 2>/dev/null; do
    read -rt 1 -u "$never" || true
    seconds=$((SECONDS - start))
    if [[ -t 2 ]]; then
      printf '\r\033[K%.*s' "$(($(terminal_width) - 1))" "$title: $seconds s  $(progress_note "$log" "$folder")" >&2
    elif ((seconds > 0 && seconds % 60 == 0)); then
      say "$title: $seconds s  $(progress_note "$log" "$folder")"
    fi
  done
}

progress_note() {
  if [[ -n $2 ]]; then
    printf '%s MB' "$(du -sm "$2" 2>/dev/null | cut -f1)"
  else
    tail -c 400 "$1" 2>/dev/null | tail -n 1 | tr -cd '[:print:]'
  fi
}

terminal_width() {
  local size
  size=$(stty size 2>/dev/null <&2) || size='24 80'
  printf '%s' "$((${size#* } > 20 ? ${size#* } : 80))"
}

# Sources that include LibTorch take up to 2 GB each to compile: fewer jobs than cores where memory is short.
job_count() {
  local cores kilobytes limit jobs
  cores=$(nproc 2>/dev/null || echo 1)
  kilobytes=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null || true)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)
  if [[ $limit =~ ^[0-9]+$ ]] && ((limit / 1024 < ${kilobytes:-0})); then kilobytes=$((limit / 1024)); fi
  jobs=$((${kilobytes:-2097152} / 2097152))
  ((jobs >= 1)) || jobs=1
  printf '%s' "$((jobs < cores ? jobs : cores))"
}

ownership_hint() {
  printf '%s' "Is the disk full? If an earlier run as root made the folder: sudo chown -R \"\$(id -un)\" '$1'"
}

# take_lock FILE: one set-up or build at a time in one place; the lock goes with the process that holds it.
take_lock() {
  command -v flock >/dev/null || return 0
  { exec 9>"$1"; } 2>/dev/null || fail "cannot write $1" "$(ownership_hint "$(dirname "$1")")"
  if ! flock -n 9; then
    say "waiting for another run that works in $(dirname "$1") ..."
    flock 9
  fi
}

release_lock() { exec 9>&-; }
