# SPDX-License-Identifier: MIT
# bpf_program(NAME SOURCE): compiles SOURCE for the BPF virtual machine against
# the pinned vmlinux.h of linux-bpf-dev, makes NAME.skel.h, and gives the
# interface target bpf_NAME to link with. A real target, so that the file is
# in compile_commands.json and header changes rebuild it.
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
find_program(LLVM_STRIP NAMES llvm-strip-19 llvm-strip REQUIRED)
find_path(VMLINUX_DIR vmlinux.h
    PATHS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}/linux/bpf
    NO_DEFAULT_PATH REQUIRED)
string(REGEX MATCH "^[^-]+" _arch "${CMAKE_SYSTEM_PROCESSOR}")
set(_bpf_arch_x86_64 x86)
set(_bpf_arch_aarch64 arm64)

function(bpf_program name source)
    set(object bpf_${name}_object)
    add_library(${object} OBJECT ${source})
    target_compile_options(${object} PRIVATE
        --target=bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -fno-pic
        -fno-stack-protector -Wno-unused-parameter
        -Wno-missing-declarations -Wno-pass-failed)
    target_compile_definitions(${object} PRIVATE
        __TARGET_ARCH_${_bpf_arch_${_arch}})
    target_include_directories(${object} PRIVATE ${CMAKE_SOURCE_DIR})
    target_include_directories(${object} SYSTEM PRIVATE ${VMLINUX_DIR})
    set(skel_dir ${CMAKE_BINARY_DIR}/skel)
    set(skel ${skel_dir}/${name}.skel.h)
    set(stripped ${skel_dir}/${name}.bpf.o)
    add_custom_command(OUTPUT ${skel} ${stripped}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${skel_dir}
        COMMAND ${BPFTOOL} gen object ${stripped} $<TARGET_OBJECTS:${object}>
        COMMAND ${BPFTOOL} gen skeleton ${stripped} name ${name}_bpf > ${skel}
        DEPENDS ${object} $<TARGET_OBJECTS:${object}>
        COMMENT "BPF skeleton ${name}.skel.h"
        VERBATIM)
    add_custom_target(bpf_${name}_skel DEPENDS ${skel})
    set_property(GLOBAL APPEND PROPERTY PS_BPF_SKELETONS bpf_${name}_skel)
    add_library(bpf_${name} INTERFACE)
    add_dependencies(bpf_${name} bpf_${name}_skel)
    target_include_directories(bpf_${name} SYSTEM INTERFACE ${skel_dir})
endfunction()
