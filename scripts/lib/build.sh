# shellcheck shell=bash
# Configure and build with CMake's presets. Sourced after common.sh; needs DREAMFUSION_LIBTORCH.

# build_preset release|debug|asan [TARGET…]
build_preset() {
  local preset=$1
  shift
  mkdir -p "$DREAMFUSION_ROOT/build" 2>/dev/null || open_log "$DREAMFUSION_LOGS/build.log"
  take_lock "$DREAMFUSION_ROOT/build/.lock"
  configure_preset "$preset"
  run_step "Building ($preset)" "build-$preset" cmake --build "$DREAMFUSION_ROOT/build/$preset" \
    --parallel "$(job_count)" ${1:+--target "$@"} ||
    fail 'the build failed' "The whole log: $DREAMFUSION_LOGS/build-$preset.log" \
      "'Killed' or 'internal compiler error' there mean too little memory: close other programs and run this again." \
      "After an update of the compiler or of a library, start afresh: rm -rf '$DREAMFUSION_ROOT/build/$preset'"
  release_lock
}

# ninja itself runs CMake again when a CMakeLists.txt changes; this looks at what ninja cannot see.
configure_preset() {
  local preset=$1 folder=$DREAMFUSION_ROOT/build/$1 state fresh=()
  state=$(printf '%s\n' "source $DREAMFUSION_ROOT" "libtorch $DREAMFUSION_LIBTORCH" "preset $(cksum <"$DREAMFUSION_ROOT/CMakePresets.json")")
  if [[ -e $folder/build.ninja && $(cat "$folder/.configured" 2>/dev/null) == "$state" ]] && knows_export_python "$folder"; then return 0; fi
  # A checkout that was moved has a cache that names its old place.
  if [[ -e $folder/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$DREAMFUSION_ROOT" "$folder/CMakeCache.txt"; then
    fresh=(--fresh)
  fi
  rm -f "$folder/.configured"
  # -U: a LibTorch that was found earlier must not outlive the change to another.
  run_step "Configuring ($preset)" "configure-$preset" in_root cmake --preset "$preset" "${fresh[@]}" \
    -U DREAMFUSION_LIBTORCH_INCLUDE -D "DREAMFUSION_LIBTORCH=$DREAMFUSION_LIBTORCH" \
    ${DREAMFUSION_EXPORT_PYTHON:+-D "DREAMFUSION_EXPORT_PYTHON=$DREAMFUSION_EXPORT_PYTHON"} ||
    fail 'CMake could not configure the build' "The whole log: $DREAMFUSION_LOGS/configure-$preset.log" \
      "To start afresh: rm -rf '$folder'"
  printf '%s\n' "$state" >"$folder/.configured"
}

# Who builds without the exporter's tests (quickstart.sh) leaves those of an earlier scripts/test.sh as they are.
knows_export_python() {
  [[ -z ${DREAMFUSION_EXPORT_PYTHON:-} ]] || grep -qxF "DREAMFUSION_EXPORT_PYTHON:FILEPATH=$DREAMFUSION_EXPORT_PYTHON" "$1/CMakeCache.txt"
}

in_root() { (cd "$DREAMFUSION_ROOT" && "$@"); }
