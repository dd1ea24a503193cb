#!/usr/bin/env bash
# Builds every plugin of this folder from source and packs it as a .cardine archive.
#
#   plugins/build.sh [OUTPUT_FOLDER]      default: plugins/target/packages
#   plugins/build.sh --environment        prints the variables by which cargo builds for WebAssembly here; for a
#                                         plugin elsewhere: eval "$(plugins/build.sh --environment)"
#
# Environment:
#   CARDINE_WASM_RUST  where the standard library for WebAssembly comes from:
#                      auto (default), rustup, or debian
#   CARDINE_CACHE      where Debian's compiler is kept; default ${XDG_CACHE_HOME:-~/.cache}/cardine
#   CARDINE_PACK       a cardine-pack binary that is built already
#   CARDINE_JOBS       parallel jobs of cargo; default: cargo's own
set -euo pipefail

plugins=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$plugins")
target=$plugins/target
wasm=wasm32-unknown-unknown
cache=${CARDINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cardine}
wants=packages
if [[ ${1:-} == --environment ]]; then wants=environment; shift; fi
mkdir -p "${1:-$target/packages}" "$target"
packages=$(cd "${1:-$target/packages}" && pwd)
jobs=(${CARDINE_JOBS:+-j "$CARDINE_JOBS"})
started=$SECONDS

# Flags meant for the machine itself would break a build for another target.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS

say() { printf '%4ss  %s\n' $((SECONDS - started)) "$*"; }
fail() { printf 'plugins/build.sh: %s\n' "$*" >&2; exit 1; }

# Two builds at the same time would disturb each other (tests may start several).
lock() {
  exec 9>"$target/build.lock"
  if command -v flock >/dev/null; then flock 9; fi
}

# Sets build_std to what cargo needs beside the target.
choose_rust() {
  build_std=()
  local choice=${CARDINE_WASM_RUST:-auto}
  case $choice in auto | rustup | debian) ;; *) fail "CARDINE_WASM_RUST must be auto, rustup or debian, not '$choice'" ;; esac
  if [[ $choice != debian ]]; then
    if has_target; then say "Rust's own standard library for $wasm"; return; fi
    if command -v rustup >/dev/null; then
      say "rustup target add $wasm"
      if rustup target add "$wasm" && has_target; then return; fi
    fi
    [[ $choice == auto ]] || fail "rustup has no standard library for $wasm"
  fi
  use_debian_rust
}

# Asks the compiler, not rustup: distributions ship the target as a package of their own.
has_target() {
  local libraries
  libraries=$(rustc --print target-libdir --target "$wasm" 2>/dev/null) && compgen -G "$libraries/libcore-*.rlib" >/dev/null
}

# Debian's rustc-web and the source of its library always match each other; the standard library is
# built along with the plugins. Nothing is installed: the packages are unpacked in the cache.
use_debian_rust() {
  command -v apt-get >/dev/null || fail "the Rust target $wasm is missing: run 'rustup target add $wasm'"
  local root=$cache/rustc-web/root version_file=$cache/rustc-web/version
  if [[ ! -x $root/usr/bin/rustc || ! -f $version_file ]]; then fetch_debian_rust; fi
  say "Debian's rustc-web $(<"$version_file")"
  local sources=("$root"/usr/src/*/library) linker
  linker=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld
  [[ -d ${sources[0]} ]] || fail "no library source under $root/usr/src; remove $cache/rustc-web and try again"
  [[ -x $linker ]] || fail "no rust-lld at $linker"
  export RUSTC=$root/usr/bin/rustc RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=${sources[0]}
  local libraries
  libraries=$(dirname "$(find "$root/usr/lib" -name 'libLLVM*.so*' | head -n 1)")
  export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
  build_std=("-Zbuild-std=std,panic_abort")
}

fetch_debian_rust() {
  local folder=$cache/rustc-web fetched=$cache/rustc-web.unfinished
  rm -rf "$folder" "$fetched"
  mkdir -p "$fetched/deb" "$fetched/root"
  local version
  version=$(newest rustc-web)
  # The compiler's library must be of the same release; an old package index names files that are gone.
  if [[ -z $version ]] || ! download "$fetched/deb" "$version"; then
    say "apt-get update"
    apt-get -qq update || fail "the package index cannot be read: run 'apt-get update' as an administrator, or 'rustup target add $wasm'"
    version=$(newest rustc-web)
    [[ -n $version ]] || fail "there is no package rustc-web here: run 'rustup target add $wasm'"
    download "$fetched/deb" "$version" || fail "rustc-web $version cannot be downloaded"
  fi
  say "unpacking rustc-web $version"
  local package
  for package in "$fetched"/deb/*.deb; do
    case ${package##*/} in
      rust-web-src*) dpkg --fsys-tarfile "$package" | tar -x -C "$fetched/root" --wildcards './usr/src/*/library/*' ;;
      *) dpkg -x "$package" "$fetched/root" ;;
    esac
  done
  rm -rf "$fetched/deb"
  echo "$version" >"$fetched/version"
  mv "$fetched" "$folder"
}

newest() { apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" {print $2}'; }

# What a package depends on, by name: release numbers stand in the names, so they are read.
depends() { apt-cache depends --no-recommends --no-suggests "$1" 2>/dev/null | awk '$1 == "Depends:" {print $2}'; }

download() (
  cd "$1"
  local version=$2 standard llvm
  local minor
  minor=$(cut -d. -f1,2 <<<"$version")
  # Older ones cannot build the edition that the plugins use.
  [[ $(printf '%s\n1.85\n' "$minor" | sort -V | head -n 1) == 1.85 ]] || return 1
  standard=$(depends "libstd-rust-web-dev" | grep '^libstd-rust-web-' | head -n 1)
  [[ $standard == "libstd-rust-web-$minor" ]] || return 1
  llvm=$(depends "$standard" | grep '^libllvm' | head -n 1)
  say "downloading rustc-web $version"
  rm -f ./*.deb
  apt-get -qq download "rustc-web=$version" "rust-web-src=$version" "libstd-rust-web-dev=$version" "$standard=$version" ${llvm:+"$llvm"}
)

# The packing tool is built without the WebAssembly compiler and without optimisation, which saves
# minutes, and in a folder of its own: a build of the whole server with other settings does not make
# it anew.
build_packer() {
  packer=${CARDINE_PACK:-}
  if [[ -n $packer ]]; then [[ -x $packer ]] || fail "CARDINE_PACK is no program: $packer"; return; fi
  env -u RUSTC -u RUSTC_BOOTSTRAP -u LD_LIBRARY_PATH CARGO_TARGET_DIR="$target/pack" \
    cargo build "${jobs[@]}" --quiet --manifest-path "$repository/Cargo.toml" -p cardine-plugin-host \
    --no-default-features --bin cardine-pack --config 'profile.dev.package."*".opt-level=0'
  packer=$target/pack/debug/cardine-pack
  say "cardine-pack is built"
}

build_plugins() {
  (cd "$plugins" && CARGO_TARGET_DIR=$target cargo build "${jobs[@]}" --quiet --locked --release --target "$wasm" "${build_std[@]}")
  say "plugins are compiled"
}

pack_plugins() {
  local manifest folder name module package
  for manifest in "$plugins"/*/plugin.json; do
    folder=$(dirname "$manifest")
    name=$(basename "$folder")
    module=$target/$wasm/release/cardine_plugin_${name//-/_}.wasm
    package=$packages/$name.cardine
    if [[ $package -nt $module && $package -nt $manifest && $package -nt $packer ]]; then
      say "$package is up to date"
    else
      "$packer" "$manifest" "$module" "$package"
    fi
  done
}

print_environment() {
  ((${#build_std[@]})) || return 0
  local name
  for name in RUSTC RUSTC_BOOTSTRAP __CARGO_TESTS_ONLY_SRC_ROOT LD_LIBRARY_PATH CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER; do
    printf 'export %s=%q\n' "$name" "${!name}"
  done
  printf 'export CARGO_UNSTABLE_BUILD_STD=std,panic_abort\n'
}

lock
if [[ $wants == environment ]]; then
  choose_rust >&2
  print_environment
  exit
fi
build_packer
choose_rust
build_plugins
pack_plugins
say "done in $((SECONDS - started)) s"
