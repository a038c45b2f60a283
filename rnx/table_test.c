// SPDX-License-Identifier: Apache-2.0
// Tests of the table layout.
#include "lib/base/test.h"
#include "rnx/table.h"

static void print(struct table *t, size_t width, const char *want, const char *name)
{
	cleanup_buf struct buf out = {0};

	test_is_int(table_print(t, width, &out), 0, "%s: prints", name);
	test_is_str(out.data, want, "%s", name);
}

static void test_layout(void)
{
	cleanup_table struct table t = {.title = {"ID", "STATUS", "COMMAND"}, .columns = 3};

	print(&t, 80, "ID  STATUS  COMMAND\n", "no row");
	table_add_row(&t, (const char *const[]){"12345678", "RUNNING", "sleep 1000"});
	table_add_row(&t, (const char *const[]){"1", NULL, ""});
	print(&t, 80,
	      "ID        STATUS   COMMAND\n"
	      "12345678  RUNNING  sleep 1000\n"
	      "1\n",
	      "columns are as wide as their widest cell");
	print(&t, 28,
	      "ID        STATUS   COMMAND\n"
	      "12345678  RUNNING  sleep 10\xe2\x80\xa6\n"
	      "1\n",
	      "the last column is cut");
	print(&t, 29,
	      "ID        STATUS   COMMAND\n"
	      "12345678  RUNNING  sleep 1000\n"
	      "1\n",
	      "but not when it just fits");
	print(&t, 5,
	      "ID        STATUS   COMMAND\n"
	      "12345678  RUNNING  sleep 1\xe2\x80\xa6\n"
	      "1\n",
	      "a very narrow line");
}

static void test_text(void)
{
	cleanup_table struct table t = {.title = {"A", "B"}, .columns = 2};

	table_add_row(&t, (const char *const[]){"gr\xc3\xbcn", "x\ny\tz\x1b[31mred"});
	table_add_row(&t, (const char *const[]){"\xe6\xbc\xa2\xe5\xad\x97", "\xff"});
	print(&t, 0,
	      "A     B\n"
	      "gr\xc3\xbcn  x y zred\n"
	      "\xe6\xbc\xa2\xe5\xad\x97  \xef\xbf\xbd\n",
	      "characters are counted, controls go");
	test_is_int(table_width("e\xcc\x81"), 1, "a mark on a letter takes no column");
	test_is_int(table_width("\xf0\x9f\x98\x80"), 2, "an emoji takes two");
	test_is_int(table_width("\xff\xff"), 2, "no UTF-8: bytes");
}

static void test_many(void)
{
	cleanup_table struct table t = {.title = {"N", "M"}, .columns = 2};
	cleanup_buf struct buf out = {0};

	for (int i = 0; i < 1000; i++)
		table_add_row(&t, (const char *const[]){"a", "b"});
	test_is_int(table_print(&t, 80, &out), 0, "a thousand rows");
	test_is_int(out.len, 1001 * 5, "all there");
}

int main(void)
{
	test_begin();
	test_layout();
	test_text();
	test_many();
	return test_end();
}
