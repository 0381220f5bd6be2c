# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# C has the layout of .clang-format.
mapfile -t list < <(files '*.c' '*.h')
[[ ${#list[@]} -eq 0 ]] ||
    "${CLANG_FORMAT:-clang-format-19}" --dry-run -Werror "${list[@]}"
