# SPDX-License-Identifier: MIT
# ps_embed(OUT_C FILE NAME): a C file that holds FILE's bytes:
#   const unsigned char NAME[]; const size_t NAME_size;
# The same file is the script that writes it.
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ ${FILE} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(............................................................)"
        "\\1\n" bytes "${bytes}")
    file(WRITE ${OUT} "#include <stddef.h>\n"
        "extern const unsigned char ${NAME}[];\n"
        "extern const size_t ${NAME}_size;\n"
        "const unsigned char ${NAME}[] = {\n${bytes}};\n"
        "const size_t ${NAME}_size = sizeof(${NAME});\n")
    return()
endif()

set(PS_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(ps_embed out file name)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DOUT=${out} -DNAME=${name}
            -P ${PS_EMBED_SCRIPT}
        DEPENDS ${file} ${PS_EMBED_SCRIPT}
        COMMENT "bytes of ${name}" VERBATIM)
endfunction()
