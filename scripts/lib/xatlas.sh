# shellcheck shell=bash
# The sources of xatlas, in the cache folder that all checkouts share. Sourced after libtorch.sh.
#
# <cache>/xatlas-<version>/   xatlas.cpp, xatlas.h, LICENSE: appears whole, by one rename

XATLAS_VERSION=0.0.9
XATLAS_HOME=$LIBTORCH_CACHE/xatlas-$XATLAS_VERSION

find_xatlas() { [[ -e ${XATLAS:-$XATLAS_HOME}/xatlas.cpp ]]; }

install_xatlas() {
  if [[ ${DREAMFUSION_NO_INSTALL:-0} == 1 ]]; then
    fail "the sources of xatlas $XATLAS_VERSION are not in $LIBTORCH_CACHE, and DREAMFUSION_NO_INSTALL=1 forbids to download them" \
      "Set XATLAS to a folder that holds xatlas.cpp and xatlas.h, or unset DREAMFUSION_NO_INSTALL."
  fi
  mkdir -p "$LIBTORCH_CACHE" 2>/dev/null ||
    fail "cannot make the cache folder $LIBTORCH_CACHE" "Set DREAMFUSION_CACHE to a folder that can be written."
  take_lock "$LIBTORCH_CACHE/.lock"
  if ! find_xatlas; then
    local stage
    stage=$(mktemp -d "$LIBTORCH_CACHE/.stage-XXXXXX")
    HALF_MADE=$stage
    run_step 'Downloading xatlas' xatlas-download download_xatlas "$stage" ||
      fail 'the sources of xatlas could not be downloaded' \
        "Check the network (and pip's index settings, if this machine has its own), then run this again." \
        "Or set XATLAS to a folder that holds xatlas.cpp and xatlas.h."
    rm -rf "$stage"
    HALF_MADE=
  fi
  release_lock
}

download_xatlas() {
  local stage=$1
  # Not --no-binary=:all:, which would compile CMake, a build requirement of xatlas, from its sources: a quarter of an hour.
  run_pip "$stage" download --dest "$stage" --no-deps --require-hashes --no-binary=xatlas \
    -r "$DREAMFUSION_ROOT/scripts/xatlas-requirements.txt" || return
  tar -xzf "$stage/xatlas-$XATLAS_VERSION.tar.gz" -C "$stage" || return
  local source=$stage/xatlas-$XATLAS_VERSION/extern/xatlas
  cp "$source/LICENSE" "$source/source/xatlas/" || return
  mv "$source/source/xatlas" "$XATLAS_HOME"
}
