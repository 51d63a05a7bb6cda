#!/usr/bin/env bash
# Installs what the build needs. Called, it prints `LibTorch: <folder>`; sourced, it also exports LIBTORCH.

if [ -z "${BASH_VERSION:-}" ]; then
  echo 'scripts/setup.sh is for bash: run it as a program, or source it in bash' >&2
  return 1
fi

# A sourced script must not leave its functions and `set -e` in the shell that sources it: it runs itself as a child.
if [[ ${BASH_SOURCE[0]} != "$0" ]]; then
  _found=$(bash "${BASH_SOURCE[0]}" | sed -n 's/^LibTorch: //p')
  if [[ -z $_found ]]; then
    unset _found
    return 1
  fi
  export LIBTORCH=$_found
  unset _found
  echo "LibTorch: $LIBTORCH"
  return 0
fi

set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/setup.sh            install what is missing, print where LibTorch is
       source scripts/setup.sh     the same, and export LIBTORCH for cmake

Debian packages are installed with apt-get (as root or through sudo); LibTorch is downloaded once, with pip,
into a cache folder that every checkout uses. With everything in place this takes no time and changes nothing.

environment:
  LIBTORCH=FOLDER             use this LibTorch (the folder with include/ and lib/); so does CMAKE_PREFIX_PATH
  XATLAS=FOLDER               use these sources of xatlas (xatlas.cpp and xatlas.h)
  DREAMFUSION_CACHE=FOLDER    where LibTorch is kept (default: ~/.cache/dreamfusion)
  DREAMFUSION_GPU=0|1         leave out or install LibTorch's CUDA libraries (default: if there is an NVIDIA GPU)
  DREAMFUSION_NO_INSTALL=1    only check
END
}

case ${1:-} in
  '') ;;
  -h | --help) usage; exit 0 ;;
  *) echo "error: unknown argument '$1'" >&2; usage >&2; exit 2 ;;
esac

# shellcheck source-path=SCRIPTDIR source=lib/all.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"
catch_exits
set_up
echo "LibTorch: $DREAMFUSION_LIBTORCH"
