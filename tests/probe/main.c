// SPDX-License-Identifier: Apache-2.0
// The probe: a program that the tests run in a container, and that prints as one JSON object what it finds
// itself in.
//
//	joblet-probe [--wait] [--stat PATH | --read PATH | --write PATH]...
//	joblet-probe --try KIND		what of a kind of attempts is possible
//
// --wait holds on until stdin ends. It must run where there is nothing else: static, and no file of its own.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tests/probe/probe.h"

char *probe_read(const char *path)
{
	char *text = NULL;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd >= 0 && file_read_fd(fd, (size_t)1 << 20, &text, NULL) == 0 ? text : NULL;
}

const char *probe_errno(int err)
{
	const char *name = strerrorname_np(err);
	return name ? name : "?";
}

static void wait_for_end(void)
{
	char c;
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	cleanup_buf struct buf text = {0};
	struct json_out o;
	bool wait = argc > 1 && str_eq(argv[1], "--wait");
	json_out_begin(&o, &text, false);
	json_open_obj(&o);
	if (argc == 3 && str_eq(argv[1], "--try")) {
		attempts_put(&o, argv[2]);
	} else {
		identity_put(&o);
		scheduling_put(&o);
		surroundings_put(&o);
		paths_put(&o, argv + 1 + wait, argc - 1 - wait);
	}
	json_key(&o, "argv");
	json_open_arr(&o);
	for (int i = 0; i < argc; i++)
		json_put_str(&o, argv[i]);
	json_close_arr(&o);
	json_close_obj(&o);
	if (json_out_end(&o) != 0 || file_write_all(STDOUT_FILENO, text.data, text.len) != 0 ||
	    file_write_all(STDOUT_FILENO, "\n", 1) != 0)
		return 1;
	if (wait)
		wait_for_end();
	return 0;
}
