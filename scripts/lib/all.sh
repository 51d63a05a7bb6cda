# shellcheck shell=bash
# All parts of the set-up, and the one function that every script starts with.
lib=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$lib/common.sh"
# shellcheck source-path=SCRIPTDIR source=packages.sh
source "$lib/packages.sh"
# shellcheck source-path=SCRIPTDIR source=libtorch.sh
source "$lib/libtorch.sh"
# shellcheck source-path=SCRIPTDIR source=xatlas.sh
source "$lib/xatlas.sh"
# shellcheck source-path=SCRIPTDIR source=build.sh
source "$lib/build.sh"
# shellcheck source-path=SCRIPTDIR source=export_env.sh
source "$lib/export_env.sh"
unset lib

# Installs what is missing; sets DREAMFUSION_LIBTORCH.
set_up() {
  local libtorch=1 xatlas=1
  find_libtorch || libtorch=0
  find_xatlas || xatlas=0
  ensure_packages $((libtorch == 0 || xatlas == 0))
  ((libtorch == 1)) || install_libtorch
  ((xatlas == 1)) || install_xatlas
  doing
}
