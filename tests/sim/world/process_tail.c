/*
 * What a start promises of the files, looked at from outside: behind the end there is nothing but
 * zeros, MANIFEST names no older snapshot than it did, and engine time is not before what it said.
 */
#include "base/mem.h"
#include "io/file.h"
#include "sim/world/process_int.h"

#include <inttypes.h>
#include <stdio.h>

#define CHUNK_BYTES ((size_t)64 << 10)

void
process_check_tail(struct process *process)
{
	uint64_t end = process->shard.report.end.v, size = process->plan->segment_bytes;
	uint8_t *chunk = mem_pages(CHUNK_BYTES);
	char path[128];
	int file;
	snprintf(path, sizeof(path), PROCESS_DIR "/shard-0000/log/%016" PRIx64 ".seg", end >> 32);
	if (io_file_open(process->env, path, IO_OPEN_READ, &file, NULL) == FROE_OK) {
		for (uint64_t at = end & UINT32_MAX; at < size;) {
			size_t bytes = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;
			enum froe_err err =
			    io_file_read(process->env, file, chunk, bytes, at, NULL);
			if (err == FROE_OK && !bytes_zero(chunk, bytes))
				judge_fail(process->judge, "the tail was cut at byte %" PRIu64
				    ", but there is something at byte %" PRIu64 " or behind",
				    end & UINT32_MAX, at);
			at += bytes;
		}
		io_file_close(process->env, file);
	}
	mem_pages_free(chunk, CHUNK_BYTES);
}

void
process_note_manifest(struct process *process)
{
	struct log_manifest manifest = log_manifest_read(process->shard.log);
	if (process->failed || process->dying)
		return;
	process->snapshot = manifest.snapshots[0].number;
	process->aged_ns = manifest.time_ns;
}

void
process_check_manifest(struct process *process)
{
	uint64_t number = log_manifest_read(process->shard.log).snapshots[0].number;
	if (number < process->snapshot)
		judge_fail(process->judge, "MANIFEST named snapshot %" PRIu64 ", names %" PRIu64,
		    process->snapshot, number);
	if (process->shard.clock.now_ns < process->aged_ns)
		judge_fail(process->judge, "engine time starts at %" PRIu64 ", runs are past "
		    "retention as of %" PRIu64, process->shard.clock.now_ns, process->aged_ns);
}
