# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Each source names its licence in its first three lines; what the kernel
# runs is dual MIT and GPL-2.0.
bad=0
while read -r path; do
    line=$(head -n 3 "$path" | grep -a 'SPDX-License-Identifier:')
    case $path in
        bpf/*.c | bpf/*.h)
            [[ $line == *MIT*GPL-2.0* || $line == *GPL-2.0*MIT* ]] ||
                { echo "$path: no SPDX line 'MIT OR GPL-2.0'"; bad=1; } ;;
        *)
            [[ -n $line ]] || { echo "$path: no SPDX line"; bad=1; } ;;
    esac
done < <(
    files '*.c' '*.h' '*.proto' '*.cmake' '*CMakeLists.txt' '*.ts' '*.tsx'
    shell_files
    python_files
)
exit "$bad"
