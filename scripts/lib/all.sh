# shellcheck shell=bash
# All parts of the set-up, and the one function that every script starts with.
lib=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=packages.sh
source "$lib/packages.sh"
# shellcheck source-path=SCRIPTDIR source=libtorch.sh
source "$lib/libtorch.sh"
# shellcheck source-path=SCRIPTDIR source=build.sh
source "$lib/build.sh"
# shellcheck source-path=SCRIPTDIR source=export_env.sh
source "$lib/export_env.sh"
unset lib

# Installs what is missing; sets DREAMFUSION_LIBTORCH.
set_up() {
  if find_libtorch; then
    ensure_packages 0
  else
    ensure_packages 1
    install_libtorch
  fi
  doing
}
