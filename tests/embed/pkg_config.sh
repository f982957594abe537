#!/usr/bin/env bash
# pkg_config.sh PKG_CONFIG COMPILER PKGCONFIG_DIR BUILD_DIR: builds and runs a host with pkg-config's flags alone.
set -euo pipefail
if [ ! -x "$1" ]; then
    echo "skipped: pkg-config is not installed"
    exit 77
fi
export PKG_CONFIG_PATH=$3
read -ra flags <<<"$("$1" --cflags --libs scandium)"
"$2" -std=c++17 "$(dirname "$0")/host_with_loader.cpp" -o "$4/pkg_config" "${flags[@]}" -lvulkan
exec "$4/pkg_config"
