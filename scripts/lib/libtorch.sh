# shellcheck shell=bash
# LibTorch, out of the Python wheel, in a cache folder that all checkouts share. Sourced after common.sh, packages.sh.
#
# <cache>/libtorch-<version>/torch, nvidia   what CMake uses: include/, lib/, and the CUDA libraries by RPATH
#                           .complete-cpu    written last: what was installed, and the size of each library
#                           .complete-cuda   the same for the rest of CUDA, on machines with a GPU
# <cache>/.stage-*                           being made; renamed into place when whole, removed when left over
# <cache>/.downloads                         wheels until they are installed, so that a retry need not fetch them again

# shellcheck disable=SC2034  # DREAMFUSION_LIBTORCH and HALF_MADE are for the other files
LIBTORCH_VERSION=2.11.0
# The wheel for this Python is taken everywhere: its C++ side is the same for all.
LIBTORCH_PYTHON=3.11

LIBTORCH_CACHE=${DREAMFUSION_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dreamfusion}
[[ $LIBTORCH_CACHE == /* ]] || LIBTORCH_CACHE=$PWD/$LIBTORCH_CACHE
LIBTORCH_HOME=$LIBTORCH_CACHE/libtorch-$LIBTORCH_VERSION

# Sets DREAMFUSION_LIBTORCH, the folder with include/ and lib/, if it need not be downloaded; fails (1) if it must.
find_libtorch() {
  doing 'looking for LibTorch'
  given_libtorch && return 0
  part_is_complete cpu || return 1
  if has_gpu; then part_is_complete cuda || return 1; fi
  DREAMFUSION_LIBTORCH=$LIBTORCH_HOME/torch
}

# The user's own LibTorch: $LIBTORCH, or one in CMAKE_PREFIX_PATH.
given_libtorch() {
  local folder prefixes=${CMAKE_PREFIX_PATH:-}
  if [[ -n ${LIBTORCH:-} && $LIBTORCH != "$LIBTORCH_HOME/torch" ]]; then
    for folder in "$LIBTORCH" "$LIBTORCH/torch"; do
      if is_libtorch "$folder"; then
        use_given "$folder" 'LIBTORCH'
        return 0
      fi
    done
    fail "LIBTORCH=$LIBTORCH is not a LibTorch: no include/ATen/core/Tensor.h and lib/libtorch_cpu.so there" \
      "Give the folder that holds include/ and lib/, or unset LIBTORCH to have version $LIBTORCH_VERSION downloaded."
  fi
  while read -r folder; do
    if [[ -n $folder ]] && is_libtorch "$folder"; then
      use_given "$folder" 'CMAKE_PREFIX_PATH'
      return 0
    fi
  done <<<"${prefixes//[:;]/$'\n'}"
  return 1
}

is_libtorch() { [[ -e $1/include/ATen/core/Tensor.h && -e $1/lib/libtorch_cpu.so ]]; }

use_given() {
  local version
  DREAMFUSION_LIBTORCH=$(cd "$1" && pwd)
  version=$(cat "$1/build-version" 2>/dev/null || sed -n "s/^__version__ = '\(.*\)'/\1/p" "$1/version.py" 2>/dev/null || true)
  if [[ -n $version && $version != "$LIBTORCH_VERSION"* ]]; then
    say "note: $2 names LibTorch $version; the program is tested with $LIBTORCH_VERSION"
  fi
}

has_gpu() {
  case ${DREAMFUSION_GPU:-} in
    1) return 0 ;;
    0) return 1 ;;
    '') ;;
    *) fail "DREAMFUSION_GPU=$DREAMFUSION_GPU: expected 0 or 1 (unset: look for an NVIDIA GPU)" ;;
  esac
  # The driver's own files first: nvidia-smi takes a second. /dev/dxg is the GPU of a Windows host.
  [[ -e /proc/driver/nvidia/version || -e /dev/nvidia0 || (-e /dev/dxg && -e /usr/lib/wsl/lib/libcuda.so.1) ]] ||
    nvidia-smi -L >/dev/null 2>&1
}

requirements_of() {
  case $1 in
    cpu) printf '%s' "$DREAMFUSION_ROOT/scripts/libtorch-requirements.txt" ;;
    cuda) printf '%s' "$DREAMFUSION_ROOT/scripts/libtorch-cuda-requirements.txt" ;;
  esac
}

pins_of() { sed -n 's/^\([a-z][^ ]*==[^ ]*\).*/\1/p' "$(requirements_of "$1")" | sort | tr '\n' ' '; }

# part_is_complete cpu|cuda: the stamp names today's pins, and no library is missing or of another size.
part_is_complete() {
  local stamp=$LIBTORCH_HOME/.complete-$1
  [[ -r $stamp && $(head -n 1 "$stamp") == "$(pins_of "$1")" ]] || return 1
  (cd "$LIBTORCH_HOME" && sed '1d; s/^[0-9]* //' "$stamp" | xargs -d '\n' stat -L -c '%s %n' 2>/dev/null) |
    cmp -s - <(sed 1d "$stamp")
}

# write_stamp cpu|cuda FOLDER
write_stamp() {
  local part=$1 folder=$2
  {
    pins_of "$part" && echo &&
      (cd "$folder" && find torch nvidia \( -name '*.so' -o -name '*.so.*' \) -print0 | sort -z |
        xargs -0 stat -L -c '%s %n' torch/include/ATen/core/Tensor.h torch/include/torch/csrc/api/include/torch/torch.h)
  } >"$folder/.complete-$part.new" || return
  mv -f "$folder/.complete-$part.new" "$folder/.complete-$part"
}

# Installs what is missing; sets DREAMFUSION_LIBTORCH.
install_libtorch() {
  if [[ ${DREAMFUSION_NO_INSTALL:-0} == 1 ]]; then
    fail "LibTorch $LIBTORCH_VERSION is not, or not whole, in $LIBTORCH_CACHE, and DREAMFUSION_NO_INSTALL=1 forbids to download it" \
      "Set LIBTORCH to a folder that holds its include/ and lib/, or unset DREAMFUSION_NO_INSTALL."
  fi
  check_platform
  mkdir -p "$LIBTORCH_CACHE" 2>/dev/null ||
    fail "cannot make the cache folder $LIBTORCH_CACHE" "Set DREAMFUSION_CACHE to a folder that can be written."
  take_lock "$LIBTORCH_CACHE/.lock"
  # Another checkout may have finished the job while this one waited.
  if ! find_libtorch; then
    rm -rf "$LIBTORCH_CACHE"/.stage-*
    part_is_complete cpu || install_part cpu 'LibTorch' 0.6 3
    if has_gpu && ! part_is_complete cuda; then install_part cuda 'CUDA libraries for the GPU' 2.0 8; fi
    rm -rf "$LIBTORCH_CACHE/.downloads"
    find_libtorch || fail "the installed LibTorch does not check out: $LIBTORCH_HOME" 'Delete that folder and run this again.'
  fi
  release_lock
}

check_platform() {
  local machine
  machine=$(uname -s)-$(uname -m)
  case $machine in
    Linux-x86_64 | Linux-aarch64) ;;
    *) fail "there is no LibTorch wheel with these libraries for $machine" \
      "Build LibTorch $LIBTORCH_VERSION yourself and set LIBTORCH to the folder that holds its include/ and lib/." ;;
  esac
}

# install_part cpu|cuda "its name" GB-to-download GB-of-disk
install_part() {
  local part=$1 name=$2 stage free
  free=$(df -Pk "$LIBTORCH_CACHE" | awk 'NR == 2 { print $4 }')
  if ((free < $4 * 1000000)); then
    fail "$name needs $4 GB of free disk during the installation; $LIBTORCH_CACHE has $((free / 1000000)) GB" \
      "Make room there, or set DREAMFUSION_CACHE to a folder on another disk."
  fi
  say "$name will be downloaded with pip (about $3 GB) into $LIBTORCH_CACHE"
  stage=$(mktemp -d "$LIBTORCH_CACHE/.stage-XXXXXX")
  HALF_MADE=$stage
  # The stage grows while pip downloads and unpacks.
  STEP_FOLDER=$stage run_step "Downloading $name" "libtorch-$part-download" download_wheels "$part" "$stage" ||
    fail "$name could not be downloaded" \
      "Check the network (and pip's index settings, if this machine has its own), then run this again:" \
      "whatever arrived whole is kept. Or set LIBTORCH to a LibTorch $LIBTORCH_VERSION that is already here." \
      "$(gpu_hint "$part")"
  STEP_FOLDER=$stage run_step "Unpacking $name" "libtorch-$part-unpack" unpack_wheels "$part" "$stage" ||
    fail "$name could not be unpacked" "Is the disk of $LIBTORCH_CACHE full? Then make room and run this again." \
      "$(gpu_hint "$part")"
  rm -rf "$stage"
  HALF_MADE=
}

gpu_hint() { if [[ $1 == cuda ]]; then printf 'To go on without the GPU: DREAMFUSION_GPU=0'; fi; }

# Settings that a user's pip may have for packages of his own do not fit here; his index and certificates do.
run_pip() {
  local stage=$1
  shift
  mkdir -p "$stage/tmp" || return
  env -u PIP_PREFIX -u PIP_ROOT -u PIP_TARGET PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off TMPDIR="$stage/tmp" \
    "$(find_pip)" -m pip --no-cache-dir "$@"
}

download_wheels() {
  run_pip "$2" download --dest "$LIBTORCH_CACHE/.downloads" --no-deps --require-hashes --only-binary=:all: \
    --implementation cp --python-version "$LIBTORCH_PYTHON" -r "$(requirements_of "$1")"
}

unpack_wheels() {
  local part=$1 stage=$2
  run_pip "$stage" install --target "$stage/tree" --no-index --find-links "$LIBTORCH_CACHE/.downloads" --no-deps \
    --require-hashes --only-binary=:all: --implementation cp --python-version "$LIBTORCH_PYTHON" --no-compile \
    -r "$(requirements_of "$part")" || return
  "place_$part" "$stage"
}

# The folder appears whole, stamp included, by one rename.
place_cpu() {
  local stage=$1
  write_stamp cpu "$stage/tree" || return
  if [[ -e $LIBTORCH_HOME ]]; then mv "$LIBTORCH_HOME" "$stage/old" || return; fi
  mv "$stage/tree" "$LIBTORCH_HOME"
}

# The libraries join the folder by hard link; only the stamp, written after them, makes them count.
place_cuda() {
  local stage=$1
  cp -alf "$stage/tree/." "$LIBTORCH_HOME/" || cp -af "$stage/tree/." "$LIBTORCH_HOME/" || return
  write_stamp cuda "$LIBTORCH_HOME"
}
