/* SPDX-License-Identifier: MIT */
#include "tracer/tracer.h"

int main(int argc, char **argv)
{
    return ps_service_main(&ps_tracer_service, argc, argv);
}
