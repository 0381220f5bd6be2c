/* SPDX-License-Identifier: MIT */
/*
 * DIR/admin.token: the first administrator's token, in a file that only its
 * owner can read. Who can read it is an administrator, whatever else holds:
 * so nobody locks himself out. To change the token, delete the file.
 */
#ifndef PS_GATEWAY_TOKEN_FILE_H
#define PS_GATEWAY_TOKEN_FILE_H

#include <sys/stat.h>

#include "gateway/secret.h"

struct ps_token_file {
    int dir_fd;
    bool valid; /* hash holds */
    uint8_t hash[PS_SECRET_HASH];
    uint64_t made_ns; /* the file's time of change */
    /* What the file looked like when it was last read. */
    struct stat seen;
    bool told; /* that it cannot be read */
};

/*
 * Reads the file, or makes it (0600, 256 random bits): whole and on disk
 * before it counts. A file that is not ours alone or holds no token is an
 * error with a sentence in ret_error, owned by the caller.
 */
int ps_token_file_open(const char *dir, struct ps_token_file *ret_file,
                       char **ret_error);
void ps_token_file_close(struct ps_token_file *file);
/*
 * Looks again. A file that went is made anew, one that was replaced is read;
 * while that fails no token of a file holds. True: the token is another.
 * ret_error (owned by the caller, NULL: none) is given once for a failure.
 */
bool ps_token_file_poll(struct ps_token_file *file, char **ret_error);

#endif
