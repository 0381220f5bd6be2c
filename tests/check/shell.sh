# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shell passes shellcheck.
mapfile -t list < <(shell_files)
shellcheck -x "${list[@]}"
