# shellcheck shell=bash
# A Python environment for scripts/export_prior.py and its tests, in the cache folder. Sourced after libtorch.sh and packages.sh.
#
# <cache>/export-<key>   made by `python -m venv`; the key stands for the pins, the Python and the LibTorch
#        /.complete      written last; without it the folder is half-made and removed
#
# torch is not downloaded a second time: the LibTorch in the cache is the unpacked wheel for Python 3.11, and with a Python 3.11 its
# files are hard-linked into the environment. For Python it needs a few CUDA libraries more than for C++; those that the system lacks
# come from scripts/libtorch-cuda-requirements.txt. With another Python or another LibTorch, pip installs torch like the rest.

# shellcheck disable=SC2034  # DREAMFUSION_EXPORT_PYTHON is for the other files
EXPORT_REQUIREMENTS=$DREAMFUSION_ROOT/scripts/requirements-export.txt

# Sets DREAMFUSION_EXPORT_PYTHON. Call it after set_up. With DREAMFUSION_NO_INSTALL=1 it fails (1) where something is missing.
prepare_export_environment() {
  local python folder
  doing 'looking for the Python environment of the exporter'
  if ! python=$(export_base_python); then
    if on_debian; then install_packages 'python3 python3-venv'; fi
    python=$(export_base_python) || fail 'the exporter needs Python 3.11 or newer with venv' 'On Debian: apt-get install python3-venv'
  fi
  folder=$LIBTORCH_CACHE/export-$(export_key "$python")
  if [[ ! -e $folder/.complete ]]; then
    if [[ ${DREAMFUSION_NO_INSTALL:-0} == 1 ]]; then return 1; fi
    mkdir -p "$LIBTORCH_CACHE" 2>/dev/null ||
      fail "cannot make the cache folder $LIBTORCH_CACHE" "Set DREAMFUSION_CACHE to a folder that can be written."
    take_lock "$LIBTORCH_CACHE/.export-lock"
    # Another checkout may have finished the job while this one waited.
    [[ -e $folder/.complete ]] || make_export_environment "$python" "$folder"
    release_lock
  fi
  DREAMFUSION_EXPORT_PYTHON=$folder/bin/python
  doing
}

# The first Python that can make environments; one of version 3.11, if there is one, can use the wheel in the cache.
export_base_python() {
  local python wanted
  for wanted in 'sys.version_info[:2] == (3, 11)' 'sys.version_info >= (3, 11)'; do
    for python in python3.11 python3 /usr/bin/python3; do
      if "$python" -c "import sys, venv, ensurepip; sys.exit(not ($wanted))" >/dev/null 2>&1; then
        printf '%s' "$python"
        return 0
      fi
    done
  done
  return 1
}

export_key() {
  {
    cat "$EXPORT_REQUIREMENTS"
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)'
    if uses_cached_torch "$1"; then cat "$LIBTORCH_HOME/.complete-cpu"; fi
  } | cksum | cut -d ' ' -f 1
}

# uses_cached_torch PYTHON
uses_cached_torch() {
  [[ -e $LIBTORCH_HOME/torch/__init__.py && -e $LIBTORCH_HOME/.complete-cpu ]] &&
    [[ ${DREAMFUSION_LIBTORCH:-$LIBTORCH_HOME/torch} == "$LIBTORCH_HOME/torch" ]] &&
    [[ $("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])') == "$LIBTORCH_PYTHON" ]]
}

# make_export_environment PYTHON FOLDER
make_export_environment() {
  local python=$1 folder=$2 old
  # What older pins left, and what was interrupted.
  for old in "$LIBTORCH_CACHE"/export-*; do
    if [[ ! -e $old/.complete ]]; then rm -rf "$old"; fi
  done
  HALF_MADE=$folder
  run_step 'Installing the Python packages of the exporter' export-env install_export_packages "$python" "$folder" ||
    fail 'the Python environment of the exporter could not be made' "The whole log: $DREAMFUSION_LOGS/export-env.log" \
      "Check the network (and pip's index settings, if this machine has its own) and the disk of $LIBTORCH_CACHE, then run this again."
  if uses_cached_torch "$python"; then
    run_step 'Adding what torch needs in Python' export-env-torch link_torch "$folder" ||
      fail 'torch cannot be imported from the cached wheel' "The whole log: $DREAMFUSION_LOGS/export-env-torch.log" \
        "Delete $folder and run this again."
  fi
  "$folder/bin/python" -c 'import torch, diffusers, transformers, tokenizers, safetensors, sentencepiece, google.protobuf, accelerate' ||
    fail "the exporter's packages do not fit together: $folder" 'Delete that folder and run this again.'
  touch "$folder/.complete"
  HALF_MADE=
}

install_export_packages() {
  local python=$1 folder=$2
  "$python" -m venv "$folder" || return
  if ! uses_cached_torch "$python"; then
    export_pip "$folder" -r "$EXPORT_REQUIREMENTS"
    return
  fi
  # accelerate names torch, and pip would fetch it with all of CUDA: hence without its dependencies, which are here but for psutil.
  grep -v '^torch==\|^accelerate==' "$EXPORT_REQUIREMENTS" >"$folder/without-torch.txt" || return
  # What torch's own metadata names besides CUDA.
  export_pip "$folder" -r "$folder/without-torch.txt" psutil 'setuptools<82' filelock typing-extensions sympy networkx jinja2 fsspec &&
    export_pip "$folder" --no-deps "$(grep '^accelerate==' "$EXPORT_REQUIREMENTS")"
}

# export_pip FOLDER what to install …
export_pip() {
  local folder=$1
  shift
  env -u PIP_PREFIX -u PIP_ROOT -u PIP_TARGET PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_PROGRESS_BAR=off "$folder/bin/python" -m pip --no-cache-dir install "$@"
}

# The wheel's files by hard link: no disk space, and CUDA libraries that pip puts beside them lie where torch's RPATH looks.
link_torch() {
  local folder=$1 site part
  site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || return
  for part in torch torchgen functorch nvidia "torch-$LIBTORCH_VERSION.dist-info"; do
    [[ -e $LIBTORCH_HOME/$part ]] || continue
    cp -al "$LIBTORCH_HOME/$part" "$site/" 2>/dev/null || cp -a "$LIBTORCH_HOME/$part" "$site/" || return
  done
  add_missing_libraries "$folder" "$site"
}

add_missing_libraries() {
  local folder=$1 site=$2 message library package added=' '
  while ! message=$(import_torch "$folder" "$site" 2>&1); do
    library=$(grep -o 'lib[A-Za-z0-9_]*\.so[.0-9]*' <<<"$message" | tail -n 1)
    package=$(package_of_library "$library")
    # One that was added and is still missed would be added for ever.
    if [[ -z $package || $added == *" $package "* ]]; then
      printf '%s\n' "$message"
      return 1
    fi
    echo "$library: installing $package"
    added+="$package "
    awk -v name="$package" 'index($0, name "==") == 1 { found = 1 } found { print; if (!/\\$/) exit }' \
      "$(requirements_of cuda)" >"$folder/cuda.txt" || return
    export_pip "$folder" --no-deps --require-hashes --only-binary=:all: -r "$folder/cuda.txt" || return
  done
}

# The list of what torch links first: its own message names what it looked for elsewhere, not what is missing.
import_torch() {
  "$1/bin/python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1], ctypes.RTLD_GLOBAL); import torch' "$2/torch/lib/libtorch_global_deps.so"
}

package_of_library() {
  case $1 in
    libcublas*) echo nvidia-cublas ;;
    libcudnn*) echo nvidia-cudnn-cu13 ;;
    libcufft*) echo nvidia-cufft ;;
    libcufile*) echo nvidia-cufile ;;
    libcurand*) echo nvidia-curand ;;
    libcusolver*) echo nvidia-cusolver ;;
    libcusparseLt*) echo nvidia-cusparselt-cu13 ;;
    libcusparse*) echo nvidia-cusparse ;;
    libnccl*) echo nvidia-nccl-cu13 ;;
    libnvJitLink*) echo nvidia-nvjitlink ;;
    libnvrtc*) echo nvidia-cuda-nvrtc ;;
    libnvshmem*) echo nvidia-nvshmem-cu13 ;;
    libnvToolsExt* | libnvtx*) echo nvidia-nvtx ;;
  esac
}
