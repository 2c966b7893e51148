package main

import (
	"context"
	"fmt"
	"strings"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A stream DurableTask that says what no SDK says.
type stranger struct {
	stream grpc.ClientStream
}

func newStranger(ctx context.Context, registered bool) (*stranger, error) {
	s, err := client.stream(ctx, "/v1.V1Dispatcher/DurableTask")
	if err != nil || !registered {
		return &stranger{s}, err
	}
	err = s.SendMsg(&pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_RegisterWorker{
		RegisterWorker: &pb.DurableTaskRequestRegisterWorker{
			WorkerId: proto.String("01a00000-0000-7000-8000-000000000001")}}})
	if err == nil {
		err = s.RecvMsg(&pb.DurableTaskResponse{})
	}
	return &stranger{s}, err
}

func (s *stranger) ask(request *pb.DurableTaskRequest) (*pb.DurableTaskResponse, error) {
	if err := s.stream.SendMsg(request); err != nil {
		return nil, err
	}
	for {
		response := &pb.DurableTaskResponse{}
		if err := s.stream.RecvMsg(response); err != nil {
			return nil, err
		}
		if response.GetEntryCompleted() == nil { // of the steps of a task that it has named
			return response, nil
		}
	}
}

// Has the task taken the step? A step that it has not taken is an error, one that waits is nothing.
func (s *stranger) sees(task string, node int64) bool {
	if s.stream.SendMsg(statusOf(task, node)) != nil {
		return false
	}
	response, err := s.ask(statusOf(task, 99))
	if err != nil || response.GetError().GetRef().GetNodeId() == 99 {
		return err == nil
	}
	_ = s.stream.RecvMsg(response) // of 99
	return false
}

func waitOf(task string, invocation int32,
	conditions *pb.DurableEventListenerConditions) *pb.DurableTaskRequest {
	return &pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_WaitFor{
		WaitFor: &pb.DurableTaskWaitForRequest{DurableTaskExternalId: proto.String(task),
			InvocationCount: proto.Int32(invocation), WaitForConditions: conditions}}}
}

func runsOf(task string, invocation int32, count int, name string) *pb.DurableTaskRequest {
	runs := &pb.DurableTaskTriggerRunsRequest{DurableTaskExternalId: proto.String(task),
		InvocationCount: proto.Int32(invocation)}
	for i := 0; i < count; i++ {
		runs.TriggerOpts = append(runs.TriggerOpts, trigger(name, Output{}))
	}
	return &pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_TriggerRuns{TriggerRuns: runs}}
}

func valueOf(task string, node int64, value string) *pb.DurableTaskRequest {
	return &pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_CompleteMemo{
		CompleteMemo: &pb.DurableTaskCompleteMemoRequest{
			Ref: &pb.DurableEventLogEntryRef{DurableTaskExternalId: proto.String(task),
				InvocationCount: proto.Int32(1), NodeId: proto.Int64(node),
				BranchId: proto.Int64(1)},
			Payload: []byte(value)}}}
}

func statusOf(task string, node int64) *pb.DurableTaskRequest {
	return &pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_WorkerStatus{
		WorkerStatus: &pb.DurableTaskWorkerStatusRequest{
			WaitingEntries: []*pb.DurableTaskAwaitedCompletedEntry{{
				DurableTaskExternalId: proto.String(task), BranchId: proto.Int64(1),
				NodeId: proto.Int64(node), InvocationCount: proto.Int32(1)}}}}}
}

// Of all of several, which is not to be had.
func both() *pb.DurableEventListenerConditions {
	all, other := sleepFor("1h"), sleepFor("2h")
	all.SleepConditions[0].Condition.OrGroupId = proto.String("one")
	other.SleepConditions[0].Condition.OrGroupId = proto.String("other")
	all.SleepConditions = append(all.SleepConditions, other.SleepConditions...)
	return all
}

// What makes no sense ends the stream.
func endsStream(ctx context.Context) error {
	for _, each := range []struct {
		registered bool
		request    *pb.DurableTaskRequest
		code       codes.Code
	}{
		{false, waitOf(someone, 1, sleepFor("1h")), codes.FailedPrecondition},
		{true, waitOf("nobody", 1, sleepFor("1h")), codes.InvalidArgument},
		{true, waitOf(someone, 0, sleepFor("1h")), codes.InvalidArgument},
		{true, &pb.DurableTaskRequest{}, codes.InvalidArgument},
		{true, &pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_RegisterWorker{
			RegisterWorker: &pb.DurableTaskRequestRegisterWorker{
				WorkerId: proto.String("me")}}}, codes.InvalidArgument},
	} {
		s, err := newStranger(ctx, each.registered)
		if err != nil {
			return err
		}
		_, err = s.ask(each.request)
		if err = same(status.Code(err), each.code); err != nil {
			return fmt.Errorf("%v: %w", each.request, err)
		}
	}
	return nil
}

const someone = "01a00000-0000-7000-8000-000000000101"

// Each is told what is wrong, and changes nothing.
func isTold(s *stranger, task string) error {
	for _, each := range []struct {
		request *pb.DurableTaskRequest
		text    string
	}{
		{runsOf(task, 1, 0, "go-once"), "1 to 1000 runs"},
		{runsOf(task, 1, 1001, "go-once"), "1 to 1000 runs"},
		{runsOf(task, 1, 3, "go-nobody-has-this"), "go-nobody-has-this"},
		{waitOf(task, 1, nil), "at least one condition"},
		{waitOf(task, 1, sleepFor("soon")), "sleep_for"},
		{waitOf(task, 1, both()), "not yet for all"},
		{valueOf(task, 1, "7"), "no such step"},
		{valueOf(task, 99, "7"), "no such step"},
		{statusOf(task, 99), "no such step"},
		{statusOf(task, -1), "no such step"},
	} {
		response, err := s.ask(each.request)
		if err != nil {
			return err
		}
		if !strings.Contains(response.GetError().GetErrorMessage(), each.text) {
			return fmt.Errorf("%v: %v", each.request, response)
		}
	}
	for _, each := range []*pb.DurableTaskRequest{
		waitOf(someone, 1, sleepFor("1h")), waitOf(task, 7, sleepFor("1h")),
		runsOf(task, 7, 1, "go-once"), {Message: &pb.DurableTaskRequest_Memo{
			Memo: &pb.DurableTaskMemoRequest{DurableTaskExternalId: proto.String(task),
				InvocationCount: proto.Int32(7)}}},
	} {
		response, err := s.ask(each)
		if err != nil {
			return err
		}
		if response.GetServerEvict().GetReason() == "" {
			return fmt.Errorf("%v: %v", each, response)
		}
	}
	return nil
}

var staysFlow = single("go-stays", func(t *Task) (any, error) {
	mark(t, "began")
	data, err := t.stepWait(eventOf(t.text("key")))
	return Output{"event": data}, err
}, durable, timeout("10m"))

func caseDurableStranger(ctx context.Context) error {
	if err := endsStream(ctx); err != nil {
		return err
	}
	file, key := fresh(), "go:stays:"+fresh()
	id, err := client.start(ctx, "go-stays", Output{"file": file, "key": key})
	if err != nil {
		return err
	}
	if err = until(ctx, "its start", func() bool { return len(lines(file)) == 1 }); err != nil {
		return err
	}
	found, err := details(ctx, id)
	if err != nil {
		return err
	}
	s, err := newStranger(ctx, true)
	if err != nil {
		return err
	}
	task := found.GetTaskRuns()["go-stays"].GetExternalId()
	if err = until(ctx, "its step", func() bool { return s.sees(task, 1) }); err != nil {
		return err
	}
	if err = isTold(s, task); err != nil {
		return err
	}
	if _, err = push(ctx, key, Output{"answer": 42}); err != nil {
		return err
	}
	all, err := client.results.wait(ctx, id)
	if err != nil {
		return err
	}
	wanted := fmt.Sprintf(`{"CREATE":{"%s":[{"answer":42}]}}`, key)
	return same([2]any{all["go-stays"]["event"], len(lines(file))}, [2]any{wanted, 1})
}

var branchesFlow = single("go-branches", func(t *Task) (any, error) {
	mark(t, "began")
	memo, err := t.stepMemo("once", toJSON(len(lines(t.text("file")))))
	if err != nil {
		return nil, err
	}
	child, err := t.stepRun("go-once", Output{"file": t.text("children")})
	if err != nil {
		return nil, err
	}
	return Output{"memo": memo, "v": child.int("v")}, nil
}, durable, timeout("10m"))

func branch(ctx context.Context, task string, node int64) error {
	out := &pb.BranchDurableTaskResponse{}
	return client.call(ctx, "/v1.AdminService/BranchDurableTask",
		&pb.BranchDurableTaskRequest{TaskExternalId: proto.String(task),
			NodeId: proto.Int64(node), BranchId: proto.Int64(1)}, out)
}

// From its second step on: the first keeps its result.
func caseDurableBranch(ctx context.Context) error {
	file, children := fresh(), fresh()
	id, err := client.start(ctx, "go-branches", Output{"file": file, "children": children})
	if err != nil {
		return err
	}
	if _, err = client.results.wait(ctx, id); err != nil {
		return err
	}
	found, err := details(ctx, id)
	if err != nil {
		return err
	}
	task := found.GetTaskRuns()["go-branches"].GetExternalId()
	if err = same([3]codes.Code{status.Code(branch(ctx, task, 0)),
		status.Code(branch(ctx, someone, 2)), status.Code(branch(ctx, "nobody", 2))},
		[3]codes.Code{codes.InvalidArgument, codes.NotFound, codes.InvalidArgument}); err != nil {
		return err
	}
	if err = branch(ctx, task, 2); err != nil {
		return err
	}
	if err = untilStatus(ctx, id, pb.RunStatus_COMPLETED); err != nil {
		return err
	}
	again, err := details(ctx, id)
	if err != nil {
		return err
	}
	return same([3]any{string(again.GetTaskRuns()["go-branches"].GetOutput()), len(lines(file)),
		len(lines(children))}, [3]any{`{"memo":"1","v":7}`, 2, 2})
}
