package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// What a handler is given: its attempt.
type Task struct {
	context.Context
	client  *Client
	worker  *Worker
	action  *pb.AssignedAction
	payload struct {
		Input   map[string]any            `json:"input"`
		Parents map[string]map[string]any `json:"parents"`
		Errors  map[string]string         `json:"step_run_errors"`
	}
	children int32
	waits    int
	chunks   int64
}

type Handler func(t *Task) (any, error)

// Hatchet's "do not try again".
type hopeless struct{ error }

type Worker struct {
	name     string
	listens  string // by which method
	client   *Client
	id       string
	handlers map[string]Handler
	lock     sync.Mutex
	running  map[string]context.CancelFunc
	stop     context.CancelFunc
	ctx      context.Context
	durables *durables
}

func now() *pb.Timestamp {
	at := timestamppb.Now()
	return &pb.Timestamp{Seconds: proto.Int64(at.Seconds), Nanos: proto.Int32(at.Nanos)}
}

// As the SDK: PutWorkflow for each, GetVersion, Register, ListenV2, heartbeats.
func startWorker(ctx context.Context, name string, slots int32,
	workflows ...*Workflow) (*Worker, error) {
	return startWorkerOver(ctx, "/Dispatcher/ListenV2", name, slots, workflows...)
}

func startWorkerOver(ctx context.Context, listens, name string, slots int32,
	workflows ...*Workflow) (*Worker, error) {
	client, err := connect()
	if err != nil {
		return nil, err
	}
	w := &Worker{name: name, listens: listens, client: client, handlers: map[string]Handler{},
		running: map[string]context.CancelFunc{}}
	w.durables = newDurables(w)
	w.ctx, w.stop = context.WithCancel(context.Background())
	request := &pb.WorkerRegisterRequest{WorkerName: proto.String(name),
		Services:   []string{"default"},
		SlotConfig: map[string]int32{"default": slots, "durable": slots},
		RuntimeInfo: &pb.RuntimeInfo{Language: pb.SdkLanguage_GO.Enum(),
			SdkVersion: proto.String("test")}}
	for _, each := range workflows {
		if err = client.call(ctx, "/v1.AdminService/PutWorkflow", each.request(),
			&pb.CreateWorkflowVersionResponse{}); err != nil {
			return nil, fmt.Errorf("PutWorkflow %s: %w", each.name, err)
		}
		for action, handler := range each.handlers {
			request.Actions = append(request.Actions, action)
			w.handlers[strings.ToLower(action)] = handler
		}
	}
	if err = client.call(ctx, "/Dispatcher/GetVersion", &pb.GetVersionRequest{},
		&pb.GetVersionResponse{}); err != nil {
		return nil, fmt.Errorf("GetVersion: %w", err)
	}
	answer := &pb.WorkerRegisterResponse{}
	if err = client.call(ctx, "/Dispatcher/Register", request, answer); err != nil {
		return nil, fmt.Errorf("Register: %w", err)
	}
	w.id = answer.GetWorkerId()
	go w.listen()
	go w.beat()
	return w, nil
}

// Opened again under the same id when it breaks: the SDK does not register a second time.
func (w *Worker) listen() {
	for w.ctx.Err() == nil {
		s, err := w.client.listen(w.ctx, w.listens,
			&pb.WorkerListenRequest{WorkerId: proto.String(w.id)})
		for err == nil {
			action := &pb.AssignedAction{}
			if err = s.RecvMsg(action); err == nil {
				w.act(action)
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (w *Worker) beat() {
	for {
		request := &pb.HeartbeatRequest{WorkerId: proto.String(w.id), HeartbeatAt: now()}
		_ = w.client.once(w.ctx, "/Dispatcher/Heartbeat", request,
			&pb.HeartbeatResponse{})
		select {
		case <-w.ctx.Done():
			return
		case <-time.After(4 * time.Second):
		}
	}
}

func attempt(action *pb.AssignedAction) string {
	return fmt.Sprintf("%s/%d", action.GetTaskRunExternalId(), action.GetRetryCount())
}

func (w *Worker) act(action *pb.AssignedAction) {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch action.GetActionType() {
	case pb.ActionType_START_STEP_RUN:
		ctx, cancel := context.WithCancel(w.ctx)
		w.running[attempt(action)] = cancel
		go w.handle(ctx, action)
	case pb.ActionType_CANCEL_STEP_RUN:
		if cancel := w.running[attempt(action)]; cancel != nil {
			cancel()
		}
	}
}

func (w *Worker) handle(ctx context.Context, action *pb.AssignedAction) {
	task := &Task{Context: ctx, client: w.client, worker: w, action: action}
	var output any
	err := json.Unmarshal([]byte(action.GetActionPayload()), &task.payload)
	if err == nil {
		w.send(action, pb.StepActionEventType_STEP_STARTED, "", false)
		output, err = w.handlers[strings.ToLower(action.GetActionId())](task)
	}
	w.lock.Lock()
	delete(w.running, attempt(action))
	w.lock.Unlock()
	switch {
	case ctx.Err() != nil: // cancelled, or this worker is gone
	case err != nil:
		w.send(action, pb.StepActionEventType_STEP_FAILED, err.Error(), errors.As(err,
			&hopeless{}))
	default:
		w.send(action, pb.StepActionEventType_STEP_COMPLETED, toJSON(output), false)
	}
}

func (w *Worker) send(action *pb.AssignedAction, kind pb.StepActionEventType, payload string,
	final bool) {
	event := &pb.StepActionEvent{WorkerId: proto.String(w.id), JobId: action.JobId,
		JobRunId: action.JobRunId,
		TaskId:   action.TaskId, TaskRunExternalId: action.TaskRunExternalId,
		ActionId:       action.ActionId,
		EventTimestamp: now(), EventType: kind.Enum(), EventPayload: proto.String(payload),
		RetryCount: action.RetryCount, ShouldNotRetry: proto.Bool(final)}
	_ = w.client.call(w.ctx, "/Dispatcher/SendStepActionEvent", event,
		&pb.ActionEventResponse{})
}

// Without a word.
func (w *Worker) kill() {
	w.stop()
	w.client.conn.Close()
}

func (w *Worker) close(ctx context.Context) error {
	err := w.client.once(ctx, "/Dispatcher/Unsubscribe",
		&pb.WorkerUnsubscribeRequest{WorkerId: proto.String(w.id)},
		&pb.WorkerUnsubscribeResponse{})
	w.kill()
	return err
}

// ------------------------------------------------------------------------------ what tasks may do

func (t *Task) text(name string) string {
	text, _ := t.payload.Input[name].(string)
	return text
}

func (t *Task) int(name string) int {
	return Output(t.payload.Input).int(name)
}

func (t *Task) sleep(d time.Duration) error {
	select {
	case <-t.Done():
		return t.Err()
	case <-time.After(d):
		return nil
	}
}

// A child is the same one in each attempt, by its key or by its place in the order.
func (t *Task) child(name string, input any, key string) *pb.TriggerWorkflowRequest {
	r := trigger(name, input)
	r.ParentId = t.action.WorkflowRunId
	r.ParentTaskRunExternalId = t.action.TaskRunExternalId
	r.ChildIndex = proto.Int32(t.children)
	t.children++
	if key != "" {
		r.ChildKey = proto.String(key)
	}
	return r
}

func (t *Task) run(name, task string, input any, key string) (Output, error) {
	out := &pb.TriggerWorkflowResponse{}
	if err := t.client.call(t, "/WorkflowService/TriggerWorkflow", t.child(name, input,
		key), out); err != nil {
		return nil, err
	}
	all, err := t.client.results.wait(t, out.GetWorkflowRunId())
	return all[task], err
}

// The older pair: registered under a key that is the same in each attempt, then listened for. The
// SDK for Python does not wait for the answer to the first: with "late" it comes after the second.
func (t *Task) wait(conditions *pb.DurableEventListenerConditions) (string, error) {
	key := fmt.Sprintf("waitFor-%d", t.waits)
	t.waits++
	register := func() error {
		return t.client.call(t, "/v1.V1Dispatcher/RegisterDurableEvent",
			&pb.RegisterDurableEventRequest{TaskId: t.action.TaskRunExternalId,
				SignalKey: proto.String(key), Conditions: conditions},
			&pb.RegisterDurableEventResponse{})
	}
	if t.text("late") != "" {
		time.AfterFunc(100*time.Millisecond, func() { _ = register() })
	} else if err := register(); err != nil {
		return "", err
	}
	request := &pb.ListenForDurableEventRequest{TaskId: t.action.TaskRunExternalId,
		SignalKey: proto.String(key)}
	for t.Err() == nil {
		s, err := t.client.stream(t, "/v1.V1Dispatcher/ListenForDurableEvent")
		if err == nil {
			err = s.SendMsg(request)
		}
		for err == nil {
			event := &pb.DurableEvent{}
			if err = s.RecvMsg(event); err == nil && event.GetSignalKey() == key {
				_ = s.CloseSend()
				return string(event.GetData()), nil
			}
		}
		switch status.Code(err) {
		case codes.NotFound, codes.FailedPrecondition, codes.InvalidArgument,
			codes.Unimplemented:
			return "", err
		}
		if err = t.sleep(200 * time.Millisecond); err != nil {
			return "", err
		}
	}
	return "", t.Err()
}

func condition(key string) *pb.BaseMatchCondition {
	return &pb.BaseMatchCondition{ReadableDataKey: proto.String(key),
		Action:    pb.ConditionAction_CREATE.Enum(),
		OrGroupId: proto.String("5a4c1e96-f781-472e-b124-417c5b3fe236")}
}

func sleepFor(duration string) *pb.DurableEventListenerConditions {
	return &pb.DurableEventListenerConditions{SleepConditions: []*pb.SleepMatchCondition{
		{Condition: condition("sleep-" + duration), SleepFor: proto.String(duration)}}}
}

func eventOf(key string) *pb.DurableEventListenerConditions {
	return &pb.DurableEventListenerConditions{
		UserEventConditions: []*pb.UserEventMatchCondition{
			{Condition: condition(key), UserEventKey: proto.String(key)}}}
}
