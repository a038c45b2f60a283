// SPDX-License-Identifier: Apache-2.0
// What `make bench` and the counting tests need beside the programs that they look at. Never installed.
#include <errno.h>
#include <string.h>

#include "hack/bench/tool/tool.h"

void fail(const char *what)
{
	fprintf(stderr, "bench-tool: %s: %s\n", what, strerror(errno));
	_exit(125);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **args);
	} commands[] = {{"bare", bare}, {"measure", measure}, {"steps", steps}};

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argv + 2);
	fprintf(stderr, "usage: bench-tool bare|measure|steps …\n");
	return 125;
}
