/*
 * client/view: the wire's answers as public structs.
 *
 * Ownership   event_view borrows from the message; the others are copies in one arena, which the
 *             caller frees with the public *_free function.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include "froe/froe.h"
#include "proto/native.pb-c.h"

void event_view(const Froe__RunEvent *wire, struct froe_event *ret_event);
struct froe_event *event_copy(const Froe__RunEvent *wire);
struct froe_run_view *run_view_copy(const Froe__RunView *wire);
struct froe_run_page *run_page_copy(const Froe__RunPage *wire);
struct froe_workflow_page *workflow_page_copy(const Froe__WorkflowPage *wire);
/* NULL: its definition is none. */
struct froe_workflow_view *workflow_view_copy(const Froe__WorkflowView *wire);
struct froe_approval_page *approval_page_copy(const Froe__ApprovalPage *wire);
struct froe_stream_page *stream_page_copy(const Froe__StreamPage *wire);

struct froe_worker_page *worker_page_copy(const Froe__WorkerPage *wire);
struct froe_worker_view *worker_view_copy(const Froe__WorkerView *wire);
struct froe_why *why_copy(const Froe__WhyView *wire);
struct froe_token_list *token_list_copy(const Froe__TokenPage *wire);

#endif
