# SPDX-License-Identifier: MIT
# `cmake --build build/dev --target check`: what CI asks of the sources
# without running them; `--target format` puts the layout right.
find_program(CLANG_FORMAT NAMES clang-format-19)
file(GLOB_RECURSE _ps_sources CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/bpf/*.[ch] ${CMAKE_SOURCE_DIR}/common/*.[ch]
    ${CMAKE_SOURCE_DIR}/tracer/*.[ch] ${CMAKE_SOURCE_DIR}/analyzer/*.[ch]
    ${CMAKE_SOURCE_DIR}/locator/*.[ch] ${CMAKE_SOURCE_DIR}/guarder/*.[ch]
    ${CMAKE_SOURCE_DIR}/gateway/*.[ch] ${CMAKE_SOURCE_DIR}/tests/*.[ch])
if(CLANG_FORMAT)
    add_custom_target(format COMMAND ${CLANG_FORMAT} -i ${_ps_sources}
        VERBATIM COMMAND_EXPAND_LISTS)
endif()
add_custom_target(check
    COMMAND ${CMAKE_COMMAND} -E env CLANG_FORMAT=${CLANG_FORMAT}
        PS_BUILD=${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/tests/check/run
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM USES_TERMINAL)
# What the sources include must have been generated.
get_property(_ps_skeletons GLOBAL PROPERTY PS_BPF_SKELETONS)
add_dependencies(check ps_proto ${_ps_skeletons})
