package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/protobuf/proto"
)

// A definition, and what its tasks do. As in ts/workflows.js a task leaves a line in the file that
// its input names each time it begins.
type Workflow struct {
	name      string
	tasks     []*pb.CreateTaskOpts
	onFailure *pb.CreateTaskOpts
	events    []string
	handlers  map[string]Handler
}

type Setting func(*pb.CreateTaskOpts)

func parents(names ...string) Setting {
	return func(o *pb.CreateTaskOpts) { o.Parents = names }
}

func retries(count int32) Setting {
	return func(o *pb.CreateTaskOpts) { o.Retries = proto.Int32(count) }
}

func backoff(factor float32, most int32) Setting {
	return func(o *pb.CreateTaskOpts) {
		o.BackoffFactor, o.BackoffMaxSeconds = proto.Float32(factor), proto.Int32(most)
	}
}

func timeout(text string) Setting {
	return func(o *pb.CreateTaskOpts) { o.Timeout = proto.String(text) }
}

func durable(o *pb.CreateTaskOpts) {
	o.IsDurable = proto.Bool(true)
	o.SlotRequests = map[string]int32{"durable": 1}
}

func workflow(name string) *Workflow {
	return &Workflow{name: name, handlers: map[string]Handler{}}
}

// What the SDK sends of every task, whether or not it says anything.
func (w *Workflow) options(name string, handler Handler, settings []Setting) *pb.CreateTaskOpts {
	o := &pb.CreateTaskOpts{ReadableId: proto.String(name),
		Action:  proto.String(w.name + ":" + name),
		Timeout: proto.String("60s"), Inputs: proto.String("{}"),
		Conditions:   &pb.TaskConditions{},
		SlotRequests: map[string]int32{"default": 1}, Retries: proto.Int32(0)}
	for _, setting := range settings {
		setting(o)
	}
	w.handlers[o.GetAction()] = handler
	return o
}

func (w *Workflow) task(name string, handler Handler, settings ...Setting) *Workflow {
	w.tasks = append(w.tasks, w.options(name, handler, settings))
	return w
}

func (w *Workflow) failure(name string, handler Handler) *Workflow {
	w.onFailure = w.options(name, handler, nil)
	return w
}

func (w *Workflow) on(keys ...string) *Workflow {
	w.events = keys
	return w
}

func (w *Workflow) request() *pb.CreateWorkflowVersionRequest {
	return &pb.CreateWorkflowVersionRequest{Name: proto.String(w.name), Tasks: w.tasks,
		OnFailureTask: w.onFailure, EventTriggers: w.events}
}

// A workflow of one task of the same name.
func single(name string, handler Handler, settings ...Setting) *Workflow {
	return workflow(name).task(name, handler, settings...)
}

func mark(t *Task, text string) {
	file, err := os.OpenFile(t.text("file"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, text)
}

func gate(t *Task, path string) error {
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		if err := t.sleep(20 * time.Millisecond); err != nil {
			return err
		}
	}
}

func endless(t *Task) (any, error) {
	mark(t, "began")
	err := t.sleep(10 * time.Minute)
	mark(t, "aborted")
	return nil, err
}

func sum() Handler {
	return func(t *Task) (any, error) {
		b, c := Output(t.payload.Parents["B"]), Output(t.payload.Parents["c"])
		return Output{"v": b.int("v") + c.int("v")}, nil
	}
}

func times(factor int) Handler {
	return func(t *Task) (any, error) {
		return Output{"v": Output(t.payload.Parents["a"]).int("v") * factor}, nil
	}
}

func fan(t *Task) (any, error) {
	one, many := 0, 0
	for v := 1; v <= 3; v++ {
		out, err := t.run("go-square", "go-square", Output{"v": v},
			fmt.Sprintf("one-%d", v))
		if err != nil {
			return nil, err
		}
		one += out.int("v")
	}
	request := &pb.BulkTriggerWorkflowRequest{}
	for v := 0; v < t.int("v"); v++ {
		request.Workflows = append(request.Workflows, t.child("go-square",
			Output{"v": v}, ""))
	}
	answer := &pb.BulkTriggerWorkflowResponse{}
	if err := t.client.call(t, "/WorkflowService/BulkTriggerWorkflow", request,
		answer); err != nil {
		return nil, err
	}
	for _, id := range answer.GetWorkflowRunIds() {
		out, err := t.client.results.wait(t, id)
		if err != nil {
			return nil, err
		}
		many += out["go-square"].int("v")
	}
	return Output{"one": one, "many": many}, nil
}

func spawner(t *Task) (any, error) {
	child, err := t.run("go-once", "go-once", t.payload.Input, "only")
	if err != nil {
		return nil, err
	}
	if t.action.GetRetryCount() < 1 {
		return nil, errors.New("after the child")
	}
	return Output{"v": child.int("v"), "tries": t.action.GetRetryCount()}, nil
}

func logs(t *Task) (any, error) {
	for _, word := range []string{"one", "two", "three"} {
		request := &pb.PutLogRequest{TaskRunExternalId: t.action.TaskRunExternalId,
			CreatedAt: now(),
			Message:   proto.String("line " + word), Level: proto.String("INFO"),
			TaskRetryCount: t.action.RetryCount}
		if err := t.client.call(t, "/EventsService/PutLog", request,
			&pb.PutLogResponse{}); err != nil {
			return nil, err
		}
	}
	return Output{"task": t.action.GetTaskRunExternalId()}, nil
}

func stream(t *Task) (any, error) {
	if err := gate(t, t.text("file")); err != nil {
		return nil, err
	}
	for i := 0; i < t.int("v"); i++ {
		request := &pb.PutStreamEventRequest{TaskRunExternalId: t.action.TaskRunExternalId,
			CreatedAt: now(),
			Message:   []byte(fmt.Sprintf("%d;", i)), EventIndex: proto.Int64(t.chunks)}
		t.chunks++
		if err := t.client.call(t, "/EventsService/PutStreamEvent", request,
			&pb.PutStreamEventResponse{}); err != nil {
			return nil, err
		}
	}
	return Output{}, nil
}

func nap(t *Task) (any, error) {
	mark(t, "began")
	if _, err := t.wait(sleepFor(t.text("sleep"))); err != nil {
		return nil, err
	}
	child, err := t.run("go-square", "go-square", Output{"v": 9}, "")
	return Output{"slept": 1, "v": child.int("v")}, err
}

func refreshed(t *Task) (any, error) {
	request := &pb.RefreshTimeoutRequest{TaskRunExternalId: t.action.TaskRunExternalId,
		IncrementTimeoutBy: proto.String("20s")}
	if err := t.client.call(t, "/Dispatcher/RefreshTimeout", request,
		&pb.RefreshTimeoutResponse{}); err != nil {
		return nil, err
	}
	return Output{"done": 1}, t.sleep(4 * time.Second)
}

var (
	simpleFlow = single("go-Simple", func(t *Task) (any, error) {
		return Output{"msg": t.text("msg") + "!",
			"meta": t.action.GetAdditionalMetadata()}, nil
	})
	dagFlow = workflow("go-dag").
		task("a", func(t *Task) (any, error) { return Output{"v": t.int("v") + 1}, nil }).
		task("B", times(10), parents("a")).
		task("c", times(100), parents("a")).
		task("d", sum(), parents("B", "c"))
	flakyFlow = single("go-flaky", func(t *Task) (any, error) {
		mark(t, fmt.Sprint(time.Now().UnixMilli()))
		if t.action.GetRetryCount() < 2 {
			return nil, fmt.Errorf("boom %d", t.action.GetRetryCount())
		}
		return Output{"tries": t.action.GetRetryCount()}, nil
	}, retries(3), backoff(2, 1))
	hopelessFlow = single("go-hopeless", func(t *Task) (any, error) {
		mark(t, "began")
		return nil, hopeless{errors.New("no use")}
	}, retries(3))
	failingFlow = workflow("go-failing").
			task("breaks", func(t *Task) (any, error) {
			return nil,
				errors.New("it broke")
		}).
		failure("cleanup", func(t *Task) (any, error) {
			mark(t, t.payload.Errors["breaks"])
			return Output{}, nil
		})
	lateFlow      = single("go-late", endless, timeout("1s"))
	refreshedFlow = single("go-refreshed", refreshed, timeout("2s"))
	endlessFlow   = single("go-endless", endless, timeout("10m"))
	squareFlow    = single("go-square", func(t *Task) (any, error) {
		return Output{"v": t.int("v") * t.int("v")}, nil
	})
	fanFlow  = single("go-fan", fan)
	onceFlow = single("go-once", func(t *Task) (any, error) {
		mark(t, "child")
		return Output{"v": 7}, nil
	})
	spawnerFlow = single("go-spawner", spawner, retries(2))
	logsFlow    = single("go-logs", logs)
	streamFlow  = single("go-stream", stream)
	queuedFlow  = single("go-queued", func(t *Task) (any, error) {
		mark(t, t.text("name"))
		if t.text("gate") == "" {
			return Output{}, nil
		}
		return Output{}, gate(t, t.text("gate"))
	})
	napFlow    = single("go-nap", nap, durable, retries(3), timeout("10m"))
	waiterFlow = single("go-waiter", func(t *Task) (any, error) {
		data, err := t.wait(eventOf(t.text("key")))
		return Output{"event": data}, err
	}, durable, timeout("10m"))
	gatedFlow = single("go-gated", func(t *Task) (any, error) {
		if _, err := os.Stat(t.text("file")); err != nil {
			return nil, errors.New("not yet")
		}
		return Output{"v": 1}, nil
	})
	heldFlow = single("go-held", func(t *Task) (any, error) {
		mark(t, "began")
		return Output{}, gate(t, t.text("gate"))
	}, retries(3), timeout("10m"))
	slowFlow = single("go-slow", func(t *Task) (any, error) {
		mark(t, fmt.Sprint(t.int("v")))
		return Output{"v": t.int("v")}, t.sleep(2 * time.Second)
	}, retries(3), timeout("2m"))
)
