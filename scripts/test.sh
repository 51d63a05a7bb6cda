#!/usr/bin/env bash
# Set-up, build of everything, all tests.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # for `sh scripts/test.sh`
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/test.sh [--asan] [options of ctest ...]

Installs what is missing, builds everything and runs all tests; the exit code is ctest's.
  --asan    build with the address and undefined-behaviour sanitizers and run the unit tests with them

  scripts/test.sh -R render       only the tests whose name has `render`
  scripts/test.sh -L unit         only the unit tests
END
}

# shellcheck source-path=SCRIPTDIR source=lib/all.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

preset=release
selection=()
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --asan)
    preset=asan
    selection=(-L unit)
    shift
    ;;
esac

catch_exits
set_up
build_preset "$preset"
# The summary of ctest stays the last thing that is printed; no tests at all is a failure.
exec ctest --test-dir "$DREAMFUSION_ROOT/build/$preset" --output-on-failure --no-tests=error \
  --parallel "$(job_count)" "${selection[@]}" "$@"
