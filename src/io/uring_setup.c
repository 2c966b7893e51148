/*
 * Make the ring disabled; ask which opcodes the kernel knows; lend it the receive buffers;
 * restrict the ring to what uring.c does; enable it. From then on a stray or forged entry is
 * refused by the kernel, and so is every thread but this one.
 *
 * SINGLE_ISSUER, DEFER_TASKRUN   completions run in our io_uring_enter, never as an interruption
 * TASKRUN_FLAG                   and that some have come shows without a call (uring_poll)
 * SUBMIT_ALL                     one bad entry does not hold up those behind it
 * R_DISABLED                     restrictions can be set only before the ring is enabled
 *
 * liburing 2.3's shared object lacks functions that its header declares: hence io_uring_register.
 */
#include "io/uring_setup_int.h"

#include "base/mem.h"
#include "io/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define URING_FLAGS                                                                                \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |       \
	    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_TASKRUN_FLAG)
#define URING_FEATURES (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_CQE_SKIP)
#define URING_LENT_BYTES (URING_BUFFERS * sizeof(struct io_uring_buf))

static const uint8_t uring_opcodes[] = {
    IORING_OP_ACCEPT,
    IORING_OP_RECV,
    IORING_OP_SEND,
    IORING_OP_READ,
    IORING_OP_WRITE,
    IORING_OP_WRITE_FIXED,
    IORING_OP_ASYNC_CANCEL,
    IORING_OP_MSG_RING,
};
#define URING_OPCODES (sizeof(uring_opcodes) / sizeof(uring_opcodes[0]))

static int
uring_setup_disabled(void)
{
	int value = 0;
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%d", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static enum froe_err
uring_setup_too_old(const char *what, struct froe_fault *fault)
{
	struct utsname name;

	if (uname(&name) != 0)
		froe_never("uname has no way to fail");
	return fault_set(fault, FROE_UNSUPPORTED,
	    "io_uring: kernel %s lacks %s; froe needs Linux 6.1 or newer for it", name.release,
	    what);
}

/* Who refused the ring, in one line. */
static enum froe_err
uring_setup_refused(int sys_errno, struct froe_fault *fault)
{
	int disabled = uring_setup_disabled();

	if (sys_errno == EPERM && disabled != 0)
		return fault_set(fault, FROE_DENIED,
		    "io_uring is refused: kernel.io_uring_disabled is %d; an administrator can set "
		    "it to 0",
		    disabled);
	if (sys_errno == EPERM || sys_errno == EACCES || sys_errno == ENOSYS)
		return fault_set(fault, sys_errno == ENOSYS ? FROE_UNSUPPORTED : FROE_DENIED,
		    "io_uring is refused (%s): the container's seccomp profile forbids it%s",
		    strerror(sys_errno),
		    sys_errno == ENOSYS ? ", or the kernel was built without it" : "");
	if (sys_errno == EINVAL)
		return uring_setup_too_old("SINGLE_ISSUER and DEFER_TASKRUN", fault);
	return fault_set_errno(fault, sys_errno, "io_uring: making a ring");
}

static enum froe_err
uring_setup_probe(struct uring_setup *setup, struct froe_fault *fault)
{
	char what[32];
	struct io_uring_probe *probe = io_uring_get_probe_ring(&setup->ring);

	if (probe == NULL)
		return fault_set(
		    fault, FROE_UNSUPPORTED, "io_uring: the kernel does not say what it knows");
	int missing = -1;
	for (size_t i = 0; i < URING_OPCODES && missing < 0; i++) {
		if (!io_uring_opcode_supported(probe, uring_opcodes[i]))
			missing = uring_opcodes[i];
	}
	io_uring_free_probe(probe);
	if (missing < 0)
		return FROE_OK;
	snprintf(what, sizeof(what), "operation %d", missing);
	return uring_setup_too_old(what, fault);
}

static int
uring_setup_lend(struct uring_setup *setup)
{
	setup->buffers = mem_pages(URING_BUFFERS * (size_t)URING_BUFFER_BYTES);
	setup->lent = mem_pages(URING_LENT_BYTES);
	struct io_uring_buf_reg registration = {
	    .ring_addr = (uint64_t)(uintptr_t)setup->lent,
	    .ring_entries = URING_BUFFERS,
	    .bgid = URING_BUFFER_GROUP,
	};
	int failed = io_uring_register((unsigned)setup->ring.ring_fd, IORING_REGISTER_PBUF_RING,
	    &registration, 1);
	if (failed != 0)
		return failed;
	io_uring_buf_ring_init(setup->lent);
	for (unsigned i = 0; i < URING_BUFFERS; i++)
		uring_setup_return_buffer(setup, i);
	return 0;
}

static int
uring_setup_restrict(struct uring_setup *setup)
{
	struct io_uring_restriction rules[URING_OPCODES + 2] = {
	    {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_BUFFERS},
	    {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
	        .sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS},
	};
	for (size_t i = 0; i < URING_OPCODES; i++) {
		rules[i + 2].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i + 2].sqe_op = uring_opcodes[i];
	}
	return io_uring_register((unsigned)setup->ring.ring_fd, IORING_REGISTER_RESTRICTIONS, rules,
	    URING_OPCODES + 2);
}

static enum froe_err
uring_setup_prepare(struct uring_setup *setup, struct froe_fault *fault)
{
	enum froe_err err = uring_setup_probe(setup, fault);
	if (err != FROE_OK)
		return err;
	if ((setup->ring.features & URING_FEATURES) != URING_FEATURES)
		return uring_setup_too_old("a feature of its rings", fault);
	int failed = uring_setup_lend(setup);
	if (failed == 0)
		failed = uring_setup_restrict(setup);
	if (failed == 0)
		failed = io_uring_register((unsigned)setup->ring.ring_fd,
		    IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	return failed == 0 ? FROE_OK : uring_setup_refused(-failed, fault);
}

enum froe_err
uring_setup_open(struct uring_setup *setup, struct froe_fault *fault)
{
	struct io_uring_params params = {.flags = URING_FLAGS, .cq_entries = URING_CQ_ENTRIES};

	*setup = (struct uring_setup){0};
	int failed = io_uring_queue_init_params(URING_SQ_ENTRIES, &setup->ring, &params);
	if (failed != 0)
		return uring_setup_refused(-failed, fault);
	enum froe_err err = uring_setup_prepare(setup, fault);
	if (err != FROE_OK)
		uring_setup_close(setup);
	return err;
}

void
uring_setup_close(struct uring_setup *setup)
{
	io_uring_queue_exit(&setup->ring);
	mem_pages_free(setup->lent, URING_LENT_BYTES);
	mem_pages_free(setup->buffers, URING_BUFFERS * (size_t)URING_BUFFER_BYTES);
}

uint8_t *
uring_setup_buffer(struct uring_setup *setup, unsigned number)
{
	froe_assert(number < URING_BUFFERS);
	return setup->buffers + (size_t)number * URING_BUFFER_BYTES;
}

void
uring_setup_return_buffer(struct uring_setup *setup, unsigned number)
{
	io_uring_buf_ring_add(setup->lent, uring_setup_buffer(setup, number), URING_BUFFER_BYTES,
	    (unsigned short)number, io_uring_buf_ring_mask(URING_BUFFERS), 0);
	io_uring_buf_ring_advance(setup->lent, 1);
}

enum froe_err
io_uring_check(struct froe_fault *fault)
{
	struct uring_setup setup;

	enum froe_err err = uring_setup_open(&setup, fault);
	if (err == FROE_OK)
		uring_setup_close(&setup);
	return err;
}
