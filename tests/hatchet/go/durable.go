package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// The stream DurableTask of a worker, for engines from v0.80.0 on. Every request is acknowledged
// before the next of its task is made; what a step came to arrives later, by its node. Once a
// second the engine is told what is still waited for, so that nothing is lost with a broken stream.
type durables struct {
	worker  *Worker
	lock    sync.Mutex
	stream  grpc.ClientStream
	acks    map[string]chan *pb.DurableTaskResponse
	waiting map[node]chan *pb.DurableTaskEventLogEntryCompletedResponse
}

type node struct {
	task       string
	invocation int32
	branch     int64
	number     int64
}

func nodeOf(ref *pb.DurableEventLogEntryRef) node {
	return node{ref.GetDurableTaskExternalId(), ref.GetInvocationCount(), ref.GetBranchId(),
		ref.GetNodeId()}
}

func newDurables(w *Worker) *durables {
	return &durables{worker: w, acks: map[string]chan *pb.DurableTaskResponse{},
		waiting: map[node]chan *pb.DurableTaskEventLogEntryCompletedResponse{}}
}

// With the lock held.
func (d *durables) open() error {
	if d.stream != nil {
		return nil
	}
	s, err := d.worker.client.stream(d.worker.ctx, "/v1.V1Dispatcher/DurableTask")
	if err != nil {
		return err
	}
	hello := &pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_RegisterWorker{
		RegisterWorker: &pb.DurableTaskRequestRegisterWorker{
			WorkerId: proto.String(d.worker.id)}}}
	if err = s.SendMsg(hello); err != nil {
		return err
	}
	d.stream = s
	go d.receive(s)
	go d.report(s)
	return nil
}

func (d *durables) broken(s grpc.ClientStream, err error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.stream == s {
		d.stream = nil
	}
	for _, ack := range d.acks { // whoever waits for one asks again
		select {
		case ack <- nil:
		default:
		}
	}
}

func (d *durables) receive(s grpc.ClientStream) {
	for {
		response := &pb.DurableTaskResponse{}
		if err := s.RecvMsg(response); err != nil {
			d.broken(s, err)
			return
		}
		d.take(response)
	}
}

func (d *durables) take(response *pb.DurableTaskResponse) {
	d.lock.Lock()
	defer d.lock.Unlock()
	var task string
	var invocation int32
	switch m := response.GetMessage().(type) {
	case *pb.DurableTaskResponse_EntryCompleted:
		at := nodeOf(m.EntryCompleted.GetRef())
		if to := d.waiting[at]; to != nil {
			delete(d.waiting, at)
			to <- m.EntryCompleted
		}
		return
	case *pb.DurableTaskResponse_MemoAck:
		ref := m.MemoAck.GetRef()
		task, invocation = ref.GetDurableTaskExternalId(), ref.GetInvocationCount()
	case *pb.DurableTaskResponse_WaitForAck:
		ref := m.WaitForAck.GetRef()
		task, invocation = ref.GetDurableTaskExternalId(), ref.GetInvocationCount()
	case *pb.DurableTaskResponse_TriggerRunsAck:
		ack := m.TriggerRunsAck
		task, invocation = ack.GetDurableTaskExternalId(), ack.GetInvocationCount()
	case *pb.DurableTaskResponse_Error:
		ref := m.Error.GetRef()
		task, invocation = ref.GetDurableTaskExternalId(), ref.GetInvocationCount()
	default:
		return
	}
	if ack := d.acks[fmt.Sprintf("%s/%d", task, invocation)]; ack != nil {
		select {
		case ack <- response:
		default:
		}
	}
}

func (d *durables) report(s grpc.ClientStream) {
	for {
		select {
		case <-s.Context().Done():
			return
		case <-time.After(time.Second):
		}
		d.lock.Lock()
		status := &pb.DurableTaskWorkerStatusRequest{WorkerId: proto.String(d.worker.id)}
		for at := range d.waiting {
			status.WaitingEntries = append(status.WaitingEntries,
				&pb.DurableTaskAwaitedCompletedEntry{
					DurableTaskExternalId: proto.String(at.task),
					BranchId:              proto.Int64(at.branch),
					NodeId:                proto.Int64(at.number),
					InvocationCount:       proto.Int32(at.invocation)})
		}
		if len(status.WaitingEntries) > 0 {
			_ = s.SendMsg(&pb.DurableTaskRequest{
				Message: &pb.DurableTaskRequest_WorkerStatus{WorkerStatus: status}})
		}
		d.lock.Unlock()
	}
}

func (t *Task) invocation() int32 {
	return t.action.GetDurableTaskInvocationCount()
}

// A request and its acknowledgement; again when the stream broke in between.
func (t *Task) step(request *pb.DurableTaskRequest) (*pb.DurableTaskResponse, error) {
	d := t.worker.durables
	key := fmt.Sprintf("%s/%d", t.action.GetTaskRunExternalId(), t.invocation())
	ack := make(chan *pb.DurableTaskResponse, 1)
	for t.Err() == nil {
		d.lock.Lock()
		err := d.open()
		if err == nil {
			d.acks[key] = ack
			err = d.stream.SendMsg(request)
		}
		d.lock.Unlock()
		if err == nil {
			select {
			case response := <-ack:
				if wrong := response.GetError(); wrong != nil {
					return nil, errors.New(wrong.GetErrorMessage())
				}
				if response != nil {
					return response, nil
				}
			case <-t.Done():
			}
		}
		if err = t.sleep(200 * time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, t.Err()
}

// What a step comes to, in the end.
func (t *Task) completed(at node) (string, error) {
	to := make(chan *pb.DurableTaskEventLogEntryCompletedResponse, 1)
	d := t.worker.durables
	d.lock.Lock()
	d.waiting[at] = to
	d.lock.Unlock()
	select {
	case entry := <-to:
		if entry.GetIsFailure() {
			return "", errors.New(entry.GetErrorMessage())
		}
		return string(entry.GetPayload()), nil
	case <-t.Done():
		return "", t.Err()
	}
}

func (t *Task) stepWait(conditions *pb.DurableEventListenerConditions) (string, error) {
	response, err := t.step(&pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_WaitFor{
		WaitFor: &pb.DurableTaskWaitForRequest{InvocationCount: proto.Int32(t.invocation()),
			DurableTaskExternalId: t.action.TaskRunExternalId,
			WaitForConditions:     conditions}}})
	if err != nil {
		return "", err
	}
	return t.completed(nodeOf(response.GetWaitForAck().GetRef()))
}

func (t *Task) stepRun(name string, input any) (Output, error) {
	response, err := t.step(&pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_TriggerRuns{
		TriggerRuns: &pb.DurableTaskTriggerRunsRequest{
			InvocationCount:       proto.Int32(t.invocation()),
			DurableTaskExternalId: t.action.TaskRunExternalId,
			TriggerOpts: []*pb.TriggerWorkflowRequest{
				t.child(name, input, "")}}}})
	if err != nil {
		return nil, err
	}
	entries := response.GetTriggerRunsAck().GetRunEntries()
	if len(entries) != 1 {
		return nil, fmt.Errorf("one run, but %d entries", len(entries))
	}
	payload, err := t.completed(node{t.action.GetTaskRunExternalId(), t.invocation(),
		entries[0].GetBranchId(), entries[0].GetNodeId()})
	if err != nil {
		return nil, err
	}
	out := Output{}
	return out, json.Unmarshal([]byte(payload), &out)
}

// The value of the first attempt that got this far.
func (t *Task) stepMemo(key, value string) (string, error) {
	id := []byte(key)
	response, err := t.step(&pb.DurableTaskRequest{Message: &pb.DurableTaskRequest_Memo{
		Memo: &pb.DurableTaskMemoRequest{InvocationCount: proto.Int32(t.invocation()),
			DurableTaskExternalId: t.action.TaskRunExternalId, Key: id}}})
	if err != nil {
		return "", err
	}
	ack := response.GetMemoAck()
	if ack.GetMemoAlreadyExisted() {
		return string(ack.GetMemoResultPayload()), nil
	}
	d := t.worker.durables
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.stream == nil {
		return "", errors.New("the stream broke before the memo was kept")
	}
	return value, d.stream.SendMsg(&pb.DurableTaskRequest{
		Message: &pb.DurableTaskRequest_CompleteMemo{
			CompleteMemo: &pb.DurableTaskCompleteMemoRequest{Ref: ack.GetRef(),
				Payload: []byte(value), MemoKey: id}}})
}

// --------------------------------------------------------------------------------------- the case

// Its first attempt fails once all its steps are done; the second finds them as they were.
func remembers(t *Task) (any, error) {
	mark(t, "began")
	memo, err := t.stepMemo("once", toJSON(t.action.GetRetryCount()))
	if err != nil {
		return nil, err
	}
	if _, err = t.stepWait(sleepFor("1s")); err != nil {
		return nil, err
	}
	child, err := t.stepRun("go-once", Output{"file": t.text("children")})
	if err != nil {
		return nil, err
	}
	if t.action.GetRetryCount() < 1 {
		return nil, errors.New("after all steps")
	}
	return Output{"memo": memo, "v": child.int("v")}, nil
}

var remembersFlow = single("go-remembers", remembers, durable, retries(2), timeout("10m"))

func caseDurableStream(ctx context.Context) error {
	file, children := fresh(), fresh()
	out, err := runOne(ctx, "go-remembers", Output{"file": file, "children": children})
	if err != nil {
		return err
	}
	if err = same(out["memo"], "0"); err != nil {
		return fmt.Errorf("the memo of the first attempt: %w", err)
	}
	return same([3]int{out.int("v"), len(lines(file)), len(lines(children))}, [3]int{7, 2, 1})
}
