# shellcheck shell=bash
# The tools and libraries that the build takes from the distribution. Sourced after common.sh.

# Debian package | how to find it without dpkg | what it is for. A package that is only wanted ("?") never stops the
# set-up; one for the download ("download:") is not asked for where LibTorch is already there.
PACKAGES='
build-essential     | tool c++                      | C++20 compiler
cmake               | cmake 3.25                    | CMake 3.25 or newer
ninja-build         | tool ninja                    | ninja
libcxxopts-dev      | header cxxopts.hpp            | cxxopts 3.1 or newer
nlohmann-json3-dev  | header nlohmann/json.hpp      | nlohmann-json 3.11 or newer
libstb-dev          | header stb/stb_image_write.h  | stb
libwebp-dev         | header webp/mux.h             | libwebp with libwebpmux
libutf8proc-dev     | header utf8proc.h             | utf8proc
libpcre2-dev        | header pcre2.h                | PCRE2
libssl-dev          | header openssl/evp.h          | OpenSSL
libmeshoptimizer-dev| header meshoptimizer.h        | meshoptimizer 0.18 or newer
libtinygltf-dev     | header tiny_gltf.h            | tinygltf
libgtest-dev        | header gtest/gtest.h          | GoogleTest
libtinyobjloader-dev| header tiny_obj_loader.h      | tinyobjloader
download:python3         | tool python3             | Python 3
download:python3-pip     | pip                      | pip
?git                | tool git                      | git
?ccache             | tool ccache                   | ccache
'

# ensure_packages NEED_DOWNLOAD(0|1)
ensure_packages() {
  doing 'checking tools and libraries'
  local missing wanted
  missing=$(missing_packages required "$1")
  [[ -n $missing ]] || return 0
  if ! on_debian; then
    fail "these are needed and were not found: $(package_descriptions "$missing")" \
      "This is not a Debian system, so install them with its own package manager, then run this again." \
      "(on Debian and its relatives: apt-get install $missing)"
  fi
  wanted=$(missing_packages optional "$1")
  install_packages "$missing${wanted:+ $wanted}"
  missing=$(missing_packages required "$1")
  if [[ -n $missing ]]; then
    fail "still not usable after the installation: $(package_descriptions "$missing")" \
      "The distribution may be too old: Debian 12 (bookworm) or newer is needed." \
      "A newer CMake comes with: python3 -m pip install cmake"
  fi
}

on_debian() { command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; }

# missing_packages required|optional NEED_DOWNLOAD → names on one line
missing_packages() {
  local installed='' name probe rest names=''
  if on_debian; then
    # shellcheck disable=SC2046  # one word a package is meant
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $(package_names) 2>/dev/null || true)
  fi
  while IFS='|' read -r name probe rest; do
    name=${name// /}
    case $name in
      '') continue ;;
      '?'*) [[ $1 == optional ]] || continue ;;
      download:*) [[ $1 == required && $2 == 1 ]] || continue ;;
      *) [[ $1 == required ]] || continue ;;
    esac
    name=${name#\?}
    name=${name#download:}
    is_present "$name" "$installed" "$probe" || names+=" $name"
  done <<<"$PACKAGES"
  printf '%s' "${names# }"
}

package_names() { awk -F'|' 'NF > 1 { sub(/^(\?|download:)/, "", $1); print $1 }' <<<"$PACKAGES"; }

package_descriptions() {
  local name text=''
  for name in $1; do
    text+=", $(awk -F'|' -v name="$name" '{ key = $1; gsub(/ |\?|download:/, "", key) }
      key == name { gsub(/^ +| +$/, "", $3); print $3 }' <<<"$PACKAGES")"
  done
  printf '%s' "${text#, }"
}

# is_present NAME "dpkg's list" PROBE
is_present() {
  local kind argument
  read -r kind argument <<<"$3"
  case $kind in
    # What is on PATH is what the build will run, whoever installed it.
    tool) command -v "$argument" >/dev/null ;;
    cmake) cmake_is_at_least "$argument" ;;
    pip) find_pip >/dev/null ;;
    header) [[ $'\n'$2$'\n' == *$'\n'"$1 installed"$'\n'* ]] || has_header "$argument" ;;
  esac
}

# On Debian /usr/include is dpkg's business: a header without its package lacks the library that belongs to it.
has_header() {
  local folder prefixes=${CMAKE_PREFIX_PATH:-} folders="${CPATH:-}:${CPLUS_INCLUDE_PATH:-}:/usr/local/include"
  on_debian || folders+=:/usr/include
  while read -r folder; do folders+=:${folder:+$folder/include}; done <<<"${prefixes//[:;]/$'\n'}"
  while read -r folder; do
    if [[ -n $folder && -e $folder/$1 ]]; then return 0; fi
  done <<<"${folders//:/$'\n'}"
  return 1
}

cmake_is_at_least() {
  local version
  version=$(cmake --version 2>/dev/null | awk 'NR == 1 { print $3 }') || return 1
  [[ -n $version && $(printf '%s\n%s\n' "$1" "$version" | sort -V | head -n 1) == "$1" ]]
}

install_packages() {
  local packages=$1 as_root=() how='as root' by_hand
  by_hand="apt-get update && apt-get install -y --no-install-recommends $packages"
  if [[ ${DREAMFUSION_NO_INSTALL:-0} == 1 ]]; then
    fail "these Debian packages are missing, and DREAMFUSION_NO_INSTALL=1 forbids to install them: $packages" \
      "Run as root: $by_hand"
  fi
  if [[ $(id -u) != 0 ]]; then
    as_root=(sudo)
    how='through sudo'
    # Without a terminal nobody can type a password.
    [[ -t 0 ]] || as_root+=(-n)
    if ! command -v sudo >/dev/null || ! "${as_root[@]}" -v >&2; then
      fail "these Debian packages are missing, and installing them needs root: $packages" "Run as root: $by_hand"
    fi
  fi
  say "These Debian packages are missing and will be installed with apt-get, $how:"
  say "  $packages"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  # shellcheck disable=SC2086  # one word a package is meant
  run_step 'Installing Debian packages' packages apt_install $packages ||
    fail 'the Debian packages could not be installed' \
      "See the lines above. Check the network and the package sources, or run as root: $by_hand"
}

# Uses as_root of its caller.
apt_install() {
  # A source that cannot be reached need not be one that matters: the installation itself decides.
  "${as_root[@]}" apt-get update || echo 'apt-get update failed; trying with the package lists that are here'
  "${as_root[@]}" apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 "$@"
}

# The first Python 3 that has pip; a pyenv or conda one may lack what the system's has.
find_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      printf '%s' "$python"
      return 0
    fi
  done
  return 1
}
