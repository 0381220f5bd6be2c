/* SPDX-License-Identifier: MIT */
#include "analyzer/analyzer.h"

int main(int argc, char **argv)
{
    return ps_service_main(&ps_analyzer_service, argc, argv);
}
