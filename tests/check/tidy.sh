# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# clang-tidy-19 with the checks of .clang-tidy, on everything that is shipped.
# What it found clean is remembered by content (the file, all headers, the
# configuration, the tool), so that only what changed is looked at again.
build=${PS_BUILD:-build/dev}
[[ -f $build/compile_commands.json ]] ||
    { echo "no $build/compile_commands.json: configure first"; exit 1; }
tidy=${CLANG_TIDY:-clang-tidy-19}
cache=$build/tidy
mkdir -p "$cache"
mapfile -t headers < <(files '*.h' '*.proto' .clang-tidy CMakeLists.txt \
    'cmake/*' '*/CMakeLists.txt' | sort)
common=$("$tidy" --version; cat "${headers[@]}")

# Sources that are in the build, and their stamps.
todo=()
while read -r path; do
    grep -qF "/$path\"" "$build/compile_commands.json" || continue
    stamp=$cache/$({ printf '%s\n' "$common" "$path"; cat "$path"; } |
        sha256sum | cut -c1-40)
    if [[ -e $stamp ]]; then touch "$stamp"; else todo+=("$path" "$stamp"); fi
done < <(files 'tracer/*.c' 'analyzer/*.c' 'locator/*.c' 'guarder/*.c' \
    'gateway/*.c' 'common/*.c' 'bpf/*.c')
find "$cache" -type f -mtime +7 -delete

one() { # TIDY BUILD PATH STAMP
    local out
    if out=$("$1" --quiet -p "$2" "$PWD/$3" 2>&1); then
        touch "$4"
    else
        grep -E '(warning|error): ' <<<"$out" || printf '%s\n' "$out"
        return 1
    fi
}
export -f one
((${#todo[@]} == 0)) ||
    printf '%s\0' "${todo[@]}" |
    xargs -0 -n 2 -P "$(nproc)" bash -c 'one "$@"' _ "$tidy" "$build"
