// SPDX-License-Identifier: Apache-2.0
// joblet-shim: stays with one container and holds its output, its input and its exit code, whatever happens
// to those who started it. conmon's command line and protocol; specs/shim.md says what is promised beyond
// that.
//
// This is its whole life: it starts everything, then the table says what news does in which state; what is
// not in the table changes nothing. It waits for nobody: not for the caller, a client, or a disk that is
// full.
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "joblet-shim/life.h"
#include "joblet-shim/loop.h"
#include "lib/base/log.h"

#define IDLE_MS 1000 // after this long without an event memory is given back

static life_action *const table[LIFE_STATES][LIFE_EVENTS] = {
    [LIFE_STARTING][LIFE_RUNTIME_ENDED] = life_adopt,

    [LIFE_RUNNING][LIFE_ANEW] = life_anew,
    [LIFE_RUNNING][LIFE_TIME_OVER] = life_kill,
    [LIFE_RUNNING][LIFE_CONTAINER_ENDED] = life_drain,

    [LIFE_DRAINING][LIFE_ANEW] = life_anew,
    [LIFE_DRAINING][LIFE_TIME_OVER] = life_last_output,
    [LIFE_DRAINING][LIFE_CGROUP_EMPTY] = life_last_output,
    [LIFE_DRAINING][LIFE_OUTPUT_ENDED] = life_record,
    [LIFE_DRAINING][LIFE_RETRY] = life_hurry_clients,

    [LIFE_RECORDING][LIFE_RETRY] = life_record,

    [LIFE_PARTING][LIFE_CLIENT_SETTLED] = life_look_at_clients,
    [LIFE_PARTING][LIFE_RETRY] = life_part,
};

// Nothing of ours may become descriptor 0, 1 or 2.
static void fill_standard_descriptors(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2)
		;
	close(fd);
}

int main(int argc, char **argv)
{
	struct err e = {0};
	fill_standard_descriptors();
	log_init("joblet-shim", STDERR_FILENO, LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
	int rc = life_begin(argc, argv, table, &e);
	if (rc < 0)
		log_error("%s", e.msg);
	if (rc)
		return rc < 0;
	for (bool is_fresh = true; life_now() != LIFE_OVER;) { // is_fresh: something has happened
		is_fresh = loop_turn(is_fresh ? IDLE_MS : -1);
		if (!is_fresh)
			life_rest();
	}
	return life_end();
}
