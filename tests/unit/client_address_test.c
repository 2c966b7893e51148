/* What is an address, and what is none; those that need no name server are resolved. */
#include "client/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

static struct froe_fault fault;

static void
expect_bad(const char *text)
{
	char host[ADDRESS_HOST_SIZE];
	struct address_list list;
	bool tls;
	fault = (struct froe_fault){0};
	assert_int_equal(address_check(text, host, &tls, &fault), FROE_INVALID_ARGUMENT);
	assert_string_equal(fault.field, "address");
	assert_true(strlen(fault.text) > 10);
	if (strncmp(text, "unix:", 5) != 0)
		assert_int_equal(address_resolve(text, &list, &fault), FROE_INVALID_ARGUMENT);
}

static void
expect_good(const char *text, const char *host, bool tls)
{
	char got[ADDRESS_HOST_SIZE];
	bool got_tls = !tls;
	assert_int_equal(address_check(text, got, &got_tls, &fault), FROE_OK);
	assert_string_equal(got, host);
	assert_int_equal(got_tls, tls);
}

static void
test_address__forms(void **state)
{
	static const char *const bad[] = {"", "host", ":1", "host:", "host:0", "host:65536",
	    "host:1x", "host:123456", "[:1", "[::1:1", "[]:1", "tls://", "tls://:1", "unix:"};
	char text[ADDRESS_HOST_SIZE + 8];
	(void)state;
	expect_good("host:1", "host", false);
	expect_good("tls://host:65535", "host", true);
	expect_good("[::1]:7077", "::1", false);
	expect_good("unix:/run/froe.sock", "", false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_bad(bad[i]);
	memset(text, 'a', ADDRESS_HOST_SIZE);
	memcpy(text + ADDRESS_HOST_SIZE, ":1", 3);
	expect_bad(text);
	memcpy(text + ADDRESS_HOST_SIZE - 1, ":1", 3); /* one shorter: it fits */
	assert_int_equal(address_check(text, (char[ADDRESS_HOST_SIZE]){0}, &(bool){0}, &fault),
	    FROE_OK);
}

static void
test_address__path_at_its_limit(void **state)
{
	char text[256] = "unix:";
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	(void)state;
	memset(text + 5, 'a', most);
	text[5 + most] = 0;
	expect_good(text, "", false);
	text[5 + most] = 'a';
	text[6 + most] = 0;
	expect_bad(text);
}

static void
test_address__resolve(void **state)
{
	struct address_list list;
	(void)state;
	assert_int_equal(address_resolve("127.0.0.1:7077", &list, &fault), FROE_OK);
	assert_int_equal(list.count, 1);
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&list.addresses[0].storage;
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 7077);
	assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(address_resolve("tls://[::1]:1", &list, &fault), FROE_OK);
	assert_int_equal(list.addresses[0].storage.ss_family, AF_INET6);
	assert_int_equal(address_resolve("unix:/x", &list, &fault), FROE_OK);
	const struct sockaddr_un *name = (const struct sockaddr_un *)&list.addresses[0].storage;
	assert_int_equal(name->sun_family, AF_UNIX);
	assert_string_equal(name->sun_path, "/x");
	fault = (struct froe_fault){0};
	assert_int_equal(address_resolve("a..b:1", &list, &fault), FROE_UNAVAILABLE);
	assert_string_equal(fault.field, "address");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_address__forms),
	    cmocka_unit_test(test_address__path_at_its_limit),
	    cmocka_unit_test(test_address__resolve),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
