// SPDX-License-Identifier: Apache-2.0
// Capabilities of the container's first process. Names come from libcap; the sets are written by prctl(2) and
// capset(2).
#include "joblet-runtime/caps.h"

#include <errno.h>
#include <linux/securebits.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>

int caps_number(const char *name)
{
	// cap_from_name(3) stops at the first character that is none of a name's, and would take CAP_KILL=ep.
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	cap_value_t value;
	if (name[strspn(name, letters)] || strncasecmp(name, "CAP_", 4) != 0 ||
	    cap_from_name(name, &value) != 0 || value < 0 || value > 63)
		return -EINVAL;
	return value;
}

bool caps_is_none(const struct spec_caps *caps)
{
	return (caps->bounding | caps->effective | caps->inheritable | caps->permitted | caps->ambient) == 0;
}

int caps_bound(const struct spec_caps *caps, struct err *e)
{
	for (int i = 0; i < 64; i++) {
		if (caps->bounding >> i & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			return 0; // past the last one that this kernel knows
		return err_sys(e, -errno, "cannot drop capability %d from the bounding set", i);
	}
	return 0;
}

int caps_set(const struct spec_caps *caps, struct err *e)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(caps->effective >> (32 * i));
		data[i].permitted = (uint32_t)(caps->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(caps->inheritable >> (32 * i));
	}
	if (capset(&header, data) != 0)
		return err_sys(e, -errno, "cannot set the capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot clear the ambient capabilities");
	for (int i = 0; i < 64; i++)
		if ((caps->ambient >> i & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) != 0)
			return err_sys(e, -errno, "cannot raise the ambient capability %d", i);
	return 0;
}

bool caps_effective(int cap)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	return capget(&header, data) == 0 && (data[cap / 32].effective >> (cap % 32) & 1);
}

int caps_raise(struct err *e)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (capget(&header, data) != 0)
		return err_sys(e, -errno, "cannot read the capabilities");
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	if (capset(&header, data) != 0)
		return err_sys(e, -errno, "cannot raise the capabilities");
	return 0;
}

int caps_lock(struct err *e)
{
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
			     SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0)
		return err_sys(e, -errno, "cannot lock the securebits");
	return 0;
}
