// SPDX-License-Identifier: Apache-2.0
// The descriptors that reflection answers with: every service is found by name, by file and by symbol.
#include <stdio.h>
#include <string.h>

#include "jobletd/descriptors.h"

static int count, failed;

static void row(const char *symbol, bool want)
{
	struct descriptor_file f = {0};
	bool good = descriptors_by_symbol(symbol, &f) == want && (!want || f.len > 20);
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, symbol);
	failed += !good;
}

static const char *const methods[] = {
#define METHOD(service, name, client_streams, server_streams, handler, permission) service, service "." name,
#include "specs/method.def"
#undef METHOD
};

int main(void)
{
	struct descriptor_file f;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) // a row without a method in a .proto is wrong
		row(methods[i], true);
	row("joblet.Job", true);
	row("joblet.Job.EnvironmentEntry", true);
	row("grpc.health.v1.HealthCheckResponse.ServingStatus", true);
	row("joblet", false);
	row("joblet.", false);
	row("joblet.Jo", false);
	row("joblet.Jobx", false);
	row("Job", false);
	row("", false);
	row(".", false);
	row("joblet.Job.", false);
	row("joblet.JobService.RunJob.x", false);
	bool good = descriptors_by_name("joblet.proto", &f) &&
		    descriptors_by_name("reflection_v1alpha.proto", &f) &&
		    !descriptors_by_name("../joblet.proto", &f) && !descriptors_by_name("", &f);
	printf("%sok %d - by name\n1..%d\n", good ? "" : "not ", count + 1, count + 1);
	return failed || !good;
}
