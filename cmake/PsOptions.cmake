# SPDX-License-Identifier: MIT
# Compiler options of everything that runs in user space. They stand on an
# interface target, not in CMAKE_C_FLAGS, so that BPF objects do not get them.
add_library(ps_options INTERFACE)
target_compile_options(ps_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Wvla -Wformat=2 -fno-common -fstack-protector-strong
    # OpenAPI and help texts are long literals; ({ }) makes TAKE_PTR.
    -Wno-gnu-statement-expression)
if(PS_WERROR)
    target_compile_options(ps_options INTERFACE -Werror)
endif()
target_compile_definitions(ps_options INTERFACE
    _GNU_SOURCE PS_VERSION="${PROJECT_VERSION}")
target_include_directories(ps_options INTERFACE ${CMAKE_SOURCE_DIR})
if(PS_SANITIZE)
    target_compile_options(ps_options INTERFACE
        -fsanitize=${PS_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=undefined)
    target_link_options(ps_options INTERFACE -fsanitize=${PS_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(ps_options INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    target_link_options(ps_options INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
if(PS_FUZZ)
    target_compile_options(ps_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Generated code: the same sanitizers, no warnings.
add_library(ps_generated_options INTERFACE)
target_compile_options(ps_generated_options INTERFACE -w)
if(PS_SANITIZE)
    target_compile_options(ps_generated_options INTERFACE
        -fsanitize=${PS_SANITIZE})
endif()
