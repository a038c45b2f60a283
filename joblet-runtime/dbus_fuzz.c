// SPDX-License-Identifier: Apache-2.0
// Fuzzes a D-Bus message as systemd could send it, read as far as every answer is read.
#include <string.h>

#include "joblet-runtime/dbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbus_message m;
	size_t whole;

	if (size >= DBUS_HEAD && dbus_message_size(data, &whole) == 0 && whole > DBUS_MESSAGE_MAX)
		abort();
	if (dbus_message_parse(data, size, &m) != 0)
		return 0;
	if (strlen(m.member) + strlen(m.error) + strlen(m.signature) > size)
		abort();
	for (int i = 0; !m.body.bad && i < 1000; i++) {
		const char *text = i % 3 == 0	? (dbus_get_u32(&m.body), "")
				   : i % 3 == 1 ? dbus_get_str(&m.body)
						: dbus_get_sig(&m.body);
		if (strlen(text) > size)
			abort();
	}
	return 0;
}
