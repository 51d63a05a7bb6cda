#!/usr/bin/env bash
# The set-up scripts against stand-ins for apt-get, dpkg-query, pip, cmake and ctest: no network, nothing installed.
# Run by ctest as `scripts.setup`; by hand: bash tests/scripts/setup_test.sh
set -euo pipefail

source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
sandbox=$(mktemp -d)
trap 'rm -rf "$sandbox"' EXIT
checks=0 failures=0

# A checkout whose path has a space, with the real scripts and nothing else.
repo="$sandbox/a checkout"
stubs=$sandbox/stubs
mkdir -p "$repo/configs" "$stubs"
cp -r "$source_root/scripts" "$repo/"
echo '{}' >"$repo/CMakePresets.json"
echo '{}' >"$repo/configs/base.json"
echo '{}' >"$repo/configs/quick.json"

unset LIBTORCH XATLAS CMAKE_PREFIX_PATH CPATH CPLUS_INCLUDE_PATH DREAMFUSION_NO_INSTALL XDG_CACHE_HOME
export PATH="$stubs:$PATH" CALLS=$sandbox/calls STATE=$sandbox/state DREAMFUSION_GPU=0 DREAMFUSION_CACHE="$sandbox/the cache"
mkdir -p "$STATE"

stub() { cat >"$stubs/$1" && chmod +x "$stubs/$1"; }

# state/missing: packages that dpkg does not have; apt-get install brings them, unless state/apt-fails exists.
stub dpkg-query <<'END'
#!/usr/bin/env bash
for name in "${@:4}"; do grep -qx "$name" "$STATE/missing" 2>/dev/null || echo "$name installed"; done
END
stub apt-get <<'END'
#!/usr/bin/env bash
echo "apt-get $*" >>"$CALLS"
[[ $1 == update ]] && exit 100
[[ ! -e $STATE/apt-fails ]] || { echo 'E: Unable to locate package'; exit 100; }
rm -f "$STATE/missing"
END
stub sudo <<'END'
#!/usr/bin/env bash
echo "sudo $*" >>"$CALLS"
[[ ! -e $STATE/sudo-refuses ]] || exit 1
while [[ ${1:-} == -* ]]; do shift; done
"$@"
END
stub id <<'END'
#!/usr/bin/env bash
cat "$STATE/uid" 2>/dev/null || echo 0
END
# pip: `download` makes a wheel or, told --no-binary, xatlas' archive; `install --target` makes a tree. state/pip-fails names the verb that breaks half-way.
stub python3 <<'END'
#!/usr/bin/env bash
verb='' target='' wheel=1
while (($#)); do
  case $1 in
    --version) echo 'pip 23'; exit ;;
    download | install) verb=$1 ;;
    --dest | --target) target=$2; shift ;;
    --no-binary=xatlas) wheel=0 ;;  # :all: would build its build requirements, CMake among them, from sources
  esac
  shift
done
mkdir -p "$target"
if ((wheel == 0)); then
  echo 'pip source' >>"$CALLS"
  [[ ! -e $STATE/source-fails ]] || { echo 'ERROR: no such archive'; exit 1; }
  mkdir -p "$target/made/xatlas-0.0.9/extern/xatlas/source/xatlas"
  cd "$target/made"
  touch xatlas-0.0.9/extern/xatlas/{LICENSE,source/xatlas/xatlas.cpp,source/xatlas/xatlas.h}
  tar -czf "$target/xatlas-0.0.9.tar.gz" xatlas-0.0.9
  exit
fi
echo "pip $verb" >>"$CALLS"
if [[ $verb == download ]]; then
  echo half >"$target/torch.whl"
  [[ ! -e $STATE/pip-slow ]] || sleep 0.3
else
  mkdir -p "$target/torch/lib"
  echo library >"$target/torch/lib/libtorch_cpu.so"
fi
if [[ $(cat "$STATE/pip-fails" 2>/dev/null) == "$verb" ]]; then echo 'ERROR: connection reset'; exit 1; fi
[[ $verb == install ]] || exit 0
mkdir -p "$target/torch/include/ATen/core" "$target/torch/include/torch/csrc/api/include/torch" "$target/nvidia/cu13/lib"
touch "$target/torch/include/ATen/core/Tensor.h" "$target/torch/include/torch/csrc/api/include/torch/torch.h"
echo runtime >"$target/nvidia/cu13/lib/libcudart.so.13"
END
# cmake: configuring and building leave what the scripts look for; the program tells its arguments, one a line.
stub cmake <<'END'
#!/usr/bin/env bash
case $1 in
  --version) echo "cmake version $(cat "$STATE/cmake-version" 2>/dev/null || echo 3.25.1)"; exit ;;
  --preset)
    echo "cmake configure ${*:2}" >>"$CALLS"
    mkdir -p "build/$2"
    touch "build/$2/build.ninja"
    ;;
  --build)
    echo "cmake build ${*:5}" >>"$CALLS"
    if [[ -e $STATE/build-fails ]]; then echo 'x.cpp:1: error: no'; exit 1; fi
    printf '%s\n' '#!/usr/bin/env bash' 'printf "%s\n" "$@"' 'exit "${PROGRAM_STATUS:-0}"' >"$2/dreamfusion"
    chmod +x "$2/dreamfusion"
    ;;
esac
END
stub ctest <<'END'
#!/usr/bin/env bash
printf '%s\n' "$@"
echo '50% tests passed, 1 tests failed out of 2'
exit 8
END

# run COMMAND… → $status, $out (stdout), $err (stderr); the calls of the stand-ins are in $CALLS.
run() {
  : >"$CALLS"
  status=0
  "$@" >"$sandbox/out" 2>"$sandbox/err" </dev/null || status=$?
  out=$(cat "$sandbox/out")
  err=$(cat "$sandbox/err")
}

check() {
  local what=$1
  shift
  checks=$((checks + 1))
  if ! "$@"; then
    failures=$((failures + 1))
    printf 'FAILED: %s: %s\n  status: %s\n  stdout: %s\n  stderr: %s\n  calls: %s\n' \
      "$what" "$*" "$status" "$out" "$err" "$(cat "$CALLS")"
  fi
}

has() { [[ $1 == *"$2"* ]]; }
lacks() { [[ $1 != *"$2"* ]]; }
equals() { [[ $1 == "$2" ]]; }
called() { grep -q -- "$1" "$CALLS"; }
not_called() { ! grep -q -- "$1" "$CALLS"; }
times_called() { [[ $(grep -c -- "$1" "$CALLS") == "$2" ]]; }
missing() { [[ ! -e $1 ]]; }

setup=$repo/scripts/setup.sh
quickstart=$repo/scripts/quickstart.sh
home="$DREAMFUSION_CACHE/libtorch-2.11.0"
xatlas="$DREAMFUSION_CACHE/xatlas-0.0.9"

test_help_needs_nothing() {
  printf '%s\n' libwebp-dev >"$STATE/missing"
  local script
  for script in setup quickstart test; do
    run "$repo/scripts/$script.sh" --help
    check "$script --help" equals "$status" 0
    check "$script --help" has "$out" 'usage: scripts/'
    check "$script --help" equals "$(cat "$CALLS")" ''
  done
  run "$setup" --nonsense
  check 'unknown argument' equals "$status" 2
  check 'help makes no folder' missing "$repo/build"
  rm "$STATE/missing"
}

test_interrupted_download_leaves_nothing() {
  local verb
  for verb in download install; do
    echo "$verb" >"$STATE/pip-fails"
    run "$setup"
    check "$verb fails" equals "$status" 1
    check "$verb fails: says why" has "$err" 'ERROR: connection reset'
    check "$verb fails: says what to do" has "$err" 'run this again'
    check "$verb fails: names the log" has "$err" "build/logs/libtorch-cpu-"
    check "$verb fails: no LibTorch" missing "$home"
    check "$verb fails: no stage" equals "$(find "$DREAMFUSION_CACHE" -name '.stage-*')" ''
  done
  rm "$STATE/pip-fails"
}

test_no_install_only_checks() {
  run env DREAMFUSION_NO_INSTALL=1 "$setup"
  check 'LibTorch is missing' equals "$status" 1
  check 'LibTorch is missing' has "$err" 'DREAMFUSION_NO_INSTALL=1'
  check 'nothing downloaded' not_called 'pip download'
}

test_install_then_nothing_to_do() {
  mkdir -p "$DREAMFUSION_CACHE/.stage-left-over"
  run "$setup"
  check 'installs' equals "$status" 0
  check 'prints where' equals "$out" "LibTorch: $home/torch"
  check 'cleans up what a killed run left' missing "$DREAMFUSION_CACHE/.stage-left-over"
  check 'keeps no wheels' missing "$DREAMFUSION_CACHE/.downloads"
  check 'xatlas' test -e "$xatlas/xatlas.cpp" -a -e "$xatlas/xatlas.h" -a -e "$xatlas/LICENSE"
  run "$setup"
  check 'second time' equals "$status" 0
  check 'second time: the same' equals "$out" "LibTorch: $home/torch"
  check 'second time: no call' equals "$(cat "$CALLS")" ''
  check 'second time: no word' equals "$err" ''
}

test_sources_of_xatlas() {
  rm -r "$xatlas"
  run env DREAMFUSION_NO_INSTALL=1 "$setup"
  check 'no xatlas' equals "$status" 1
  check 'no xatlas: the way out' has "$err" 'Set XATLAS to a folder that holds xatlas.cpp'
  touch "$STATE/source-fails"
  run "$setup"
  check 'xatlas fails' equals "$status" 1
  check 'xatlas fails: says why' has "$err" 'ERROR: no such archive'
  check 'xatlas fails: nothing half-made' missing "$xatlas"
  check 'xatlas fails: no stage' equals "$(find "$DREAMFUSION_CACHE" -name '.stage-*')" ''
  rm "$STATE/source-fails"
  run "$setup"
  check 'xatlas alone' equals "$status" 0
  check 'xatlas alone' not_called 'pip install'
  check 'xatlas alone' test -e "$xatlas/xatlas.cpp"
}

test_damage_is_repaired() {
  echo more >>"$home/torch/lib/libtorch_cpu.so"
  run "$setup"
  check 'a library of another size' called 'pip install'
  rm "$home/nvidia/cu13/lib/libcudart.so.13"
  run "$setup"
  check 'a missing library' called 'pip install'
  rm "$home/.complete-cpu"
  run "$setup"
  check 'no stamp' called 'pip install'
  run "$setup"
  check 'repaired' equals "$(cat "$CALLS")" ''
}

test_gpu_part_is_added() {
  run env DREAMFUSION_GPU=1 "$setup"
  check 'GPU: only its part is fetched' times_called 'pip install' 1
  check 'GPU: stamp' test -e "$home/.complete-cuda"
  run env DREAMFUSION_GPU=1 "$setup"
  check 'GPU, second time' equals "$(cat "$CALLS")" ''
  run env DREAMFUSION_GPU=maybe "$setup"
  check 'GPU: wrong value' has "$err" 'expected 0 or 1'
}

test_two_at_once_install_once() {
  rm -rf "$home"
  touch "$STATE/pip-slow"
  : >"$CALLS"
  "$setup" >"$sandbox/one" 2>&1 &
  local first=$!
  "$setup" >"$sandbox/two" 2>&1
  wait "$first"
  check 'two at once' times_called 'pip download' 1
  check 'two at once: both know' grep -q "LibTorch: $home/torch" "$sandbox/one"
  check 'two at once: both know' grep -q "LibTorch: $home/torch" "$sandbox/two"
  rm "$STATE/pip-slow"
}

test_own_libtorch() {
  run env LIBTORCH="$home" XATLAS="$xatlas" DREAMFUSION_CACHE="$sandbox/none" "$setup"
  check 'LIBTORCH' equals "$out" "LibTorch: $home/torch"
  run env LIBTORCH="$sandbox" "$setup"
  check 'LIBTORCH is none' equals "$status" 1
  check 'LIBTORCH is none' has "$err" 'is not a LibTorch'
  run env CMAKE_PREFIX_PATH="/opt:$home/torch" XATLAS="$xatlas" DREAMFUSION_CACHE="$sandbox/none" "$setup"
  check 'CMAKE_PREFIX_PATH' equals "$out" "LibTorch: $home/torch"
  check 'no download' not_called 'pip download'
}

test_sourced() {
  # shellcheck disable=SC2016  # the inner shell expands it
  run bash -c 'source "$1" && source "$1"; echo "$? $LIBTORCH $(set +o | grep errexit)"' - "$setup"
  check 'sourced twice' has "$out" "0 $home/torch set +o errexit"
  # shellcheck disable=SC2016
  run env LIBTORCH=/nowhere bash -c 'source "$1" || echo "refused $LIBTORCH"' - "$setup"
  check 'sourced, failing' has "$out" 'refused /nowhere'
  run sh "$setup"
  check 'not in bash' has "$err" 'is for bash'
}

test_missing_packages() {
  local list='libwebp-dev libgtest-dev'
  printf '%s\n' libwebp-dev libgtest-dev >"$STATE/missing"
  run env DREAMFUSION_NO_INSTALL=1 "$setup"
  check 'only check' equals "$status" 1
  check 'only check: says which' has "$err" "$list"
  check 'only check: installs nothing' not_called apt-get

  echo 1000 >"$STATE/uid"
  touch "$STATE/sudo-refuses"
  run "$setup"
  check 'neither root nor sudo' equals "$status" 1
  check 'the exact command' has "$err" "apt-get update && apt-get install -y --no-install-recommends $list"
  check 'neither root nor sudo: installs nothing' not_called '^apt-get'

  rm "$STATE/sudo-refuses"
  touch "$STATE/apt-fails"
  run "$setup"
  check 'apt-get fails' equals "$status" 1
  check 'apt-get fails: says why' has "$err" 'E: Unable to locate package'
  check 'apt-get fails: names the log' has "$err" 'build/logs/packages.log'

  rm "$STATE/apt-fails"
  run "$setup"
  check 'through sudo' equals "$status" 0
  check 'says what it will install' has "$err" "$list"
  check 'without questions' called "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y .*$list"
  check 'a failing apt-get update alone is no failure' called 'apt-get update'

  rm "$STATE/uid"
  printf '%s\n' libssl-dev >"$STATE/missing"
  run "$setup"
  check 'as root' called '^apt-get install -y .* libssl-dev$'
  check 'as root: no sudo' not_called sudo
}

test_old_cmake() {
  echo 3.22.1 >"$STATE/cmake-version"
  run "$setup"
  check 'old cmake' equals "$status" 1
  check 'old cmake' has "$err" 'CMake 3.25 or newer'
  rm "$STATE/cmake-version"
}

# arguments EXPECTED -- of quickstart…: what the program was given, on one line
program_gets() {
  local expected=$1
  shift
  run "$quickstart" "$@"
  check "quickstart $*" equals "${out//$'\n'/ }" "$expected"
}

test_quickstart() {
  local base="--config $repo/configs/base.json"
  mkdir -p "$sandbox/elsewhere/outputs"
  cd "$sandbox/elsewhere"
  program_gets "--prompt a red mushroom $base -o outputs/a-red-mushroom"
  check 'configures' called "cmake configure release .*DREAMFUSION_LIBTORCH=$home/torch"
  check 'builds only the program' called 'cmake build .*--target dreamfusion$'
  mkdir outputs/a-red-mushroom
  program_gets "--prompt a red mushroom $base -o outputs/a-red-mushroom-2"
  check 'configures once' not_called 'cmake configure'
  mkdir outputs/a-red-mushroom-2
  program_gets "--prompt a red mushroom $base -o outputs/a-red-mushroom-3" 'a red mushroom'
  program_gets "--resume --prompt a red mushroom $base -o outputs/a-red-mushroom-2" --resume
  program_gets "--force --prompt a red mushroom $base -o outputs/a-red-mushroom" --force
  program_gets "--prompt A blue Car, fast! --config quick.json --seed 3 -o outputs/a-blue-car-fast" \
    'A blue Car, fast!' --config quick.json --seed 3
  program_gets "--prompt x --config=quick.json -o out dir" x --config=quick.json -o 'out dir'
  program_gets '--resume=outputs/x' --resume=outputs/x
  program_gets "guidance.scale=50 --prompt a red mushroom $base -o outputs/a-red-mushroom-3" guidance.scale=50
  program_gets "--prompt a cube $base -o outputs/a-cube" --prompt 'a cube'
  program_gets "--prompt  $base" ''
  program_gets "--prompt ✿ $base -o outputs/object" '✿'
  run sh "$quickstart" 'a cube'
  check 'by sh' has "$out" 'outputs/a-cube'
  run env PROGRAM_STATUS=3 "$quickstart"
  check 'the exit code is that of the program' equals "$status" 3

  touch "$STATE/build-fails"
  run "$quickstart"
  check 'failing build' equals "$status" 1
  check 'failing build: says why' has "$err" 'x.cpp:1: error: no'
  check 'failing build: names the log' has "$err" 'build/logs/build-release.log'
  rm "$STATE/build-fails"
}

test_moved_checkout_is_configured_afresh() {
  local moved=$sandbox/moved
  echo "CMAKE_HOME_DIRECTORY:INTERNAL=$repo" >"$repo/build/release/CMakeCache.txt"
  cp -r "$repo" "$moved"
  run "$moved/scripts/quickstart.sh"
  check 'moved checkout' called 'cmake configure release --fresh'
}

test_test_script() {
  run "$repo/scripts/test.sh" --no-exporter -R render
  check "ctest's exit code" equals "$status" 8
  check "ctest's summary comes last" equals "${out##*$'\n'}" '50% tests passed, 1 tests failed out of 2'
  check 'a failing test is no fault of the script' lacks "$err" 'stopped unexpectedly'
  check 'its arguments are passed on' has "$out" $'-R\nrender'
  check 'builds everything' not_called '--target'
  check 'without the heavy and the exporter tests' has "$out" $'-LE\nheavy|exporter'
  run env DREAMFUSION_NO_INSTALL=1 "$repo/scripts/test.sh"
  check 'no environment for the exporter, and none may be made' equals "$status" 1
  check 'no environment for the exporter: the way out' has "$err" 'scripts/test.sh --no-exporter'
  run "$repo/scripts/test.sh" --asan
  check 'asan' called 'cmake configure asan'
  check 'asan: unit tests' has "$out" $'build/asan\n'
}

for name in help_needs_nothing interrupted_download_leaves_nothing no_install_only_checks install_then_nothing_to_do sources_of_xatlas \
  damage_is_repaired gpu_part_is_added two_at_once_install_once own_libtorch sourced missing_packages old_cmake quickstart \
  moved_checkout_is_configured_afresh test_script; do
  "test_$name"
done
printf '%d passed, %d failed\n' "$((checks - failures))" "$failures"
((failures == 0))
