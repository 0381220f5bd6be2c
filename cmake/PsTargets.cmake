# SPDX-License-Identifier: MIT
# ps_daemon(NAME): the folder's *.c, without main.c, as the static library
# ps_NAME_core (tests link it), and main.c as the program ps-NAME.
function(ps_daemon name)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.c)
    add_library(ps_${name}_core STATIC ${sources})
    target_link_libraries(ps_${name}_core PUBLIC ps_common ${ARGN})
    add_executable(ps-${name} main.c)
    target_link_libraries(ps-${name} PRIVATE ps_${name}_core)
endfunction()

# ps_tests(DIR LABEL LIBS...): each DIR/test_*.c is a cmocka program. With
# PS_VALGRIND it runs in memcheck: only what is certainly lost is an error.
set(_ps_valgrind valgrind -q --error-exitcode=9 --leak-check=full
    --show-leak-kinds=definite --errors-for-leak-kinds=definite
    --suppressions=${CMAKE_SOURCE_DIR}/tests/unit/valgrind.supp)
set(_ps_test_seconds 120)
if(PS_VALGRIND)
    set(_ps_test_seconds 600)
endif()
set(_ps_no_valgrind_test_seccomp
    "skip: the filters under test end valgrind's own calls")
function(ps_tests dir label)
    file(GLOB sources CONFIGURE_DEPENDS ${dir}/test_*.c)
    get_filename_component(group ${dir} NAME)
    foreach(source ${sources})
        get_filename_component(base ${source} NAME_WE)
        set(test ${label}_${group}_${base})
        add_executable(${test} ${source})
        target_link_libraries(${test} PRIVATE ps_common ${ARGN} cmocka)
        target_include_directories(${test} PRIVATE ${dir})
        set_target_properties(${test} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
        set(command $<TARGET_FILE:${test}>)
        if(PS_VALGRIND AND DEFINED _ps_no_valgrind_${base})
            set(command printf "${_ps_no_valgrind_${base}}\nok 1 # SKIP all\n")
        elseif(PS_VALGRIND)
            list(PREPEND command ${_ps_valgrind})
        endif()
        add_test(NAME ${label}/${group}/${base} COMMAND ${command}
            WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        set_tests_properties(${label}/${group}/${base} PROPERTIES
            LABELS ${label} TIMEOUT ${_ps_test_seconds})
    endforeach()
endfunction()
