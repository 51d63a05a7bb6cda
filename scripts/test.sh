#!/usr/bin/env bash
# Set-up, build of everything, all tests.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"  # for `sh scripts/test.sh`
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/test.sh [--asan | --no-exporter] [options of ctest ...]

Installs what is missing, builds everything and runs all tests but the heavy ones; the exit code is ctest's.
  --asan           build with the address and undefined-behaviour sanitizers and run the unit tests with them
  --no-exporter    without the tests of scripts/export_prior.py, which need a Python environment (about 0.8 GB in the cache)

  scripts/test.sh -R render       only the tests whose name has `render`
  scripts/test.sh -L unit         only the unit tests
  scripts/test.sh -L heavy        a model of Stable Diffusion's size, exported and run (8 GB of disk, 10 GB of memory)
END
}

# shellcheck source-path=SCRIPTDIR source=lib/all.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/all.sh"

preset=release
exporter=1
selection=(-LE heavy)
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --asan)
    preset=asan
    exporter=0
    selection=(-L unit)
    shift
    ;;
  --no-exporter)
    exporter=0
    selection=(-LE 'heavy|exporter')
    shift
    ;;
  -L) selection=() ;;  # what is asked for by its label is run
esac

catch_exits
set_up
if [[ $exporter == 1 ]]; then
  prepare_export_environment ||
    fail 'the Python environment of the exporter is missing and DREAMFUSION_NO_INSTALL=1 forbids to make it' \
      'Run scripts/test.sh --no-exporter for all other tests.'
fi
build_preset "$preset"
# The summary of ctest stays the last thing that is printed; no tests at all is a failure.
exec ctest --test-dir "$DREAMFUSION_ROOT/build/$preset" --output-on-failure --no-tests=error \
  --parallel "$(job_count)" "${selection[@]}" "$@"
