package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sort"
	"strings"
	"time"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// ------------------------------------------------------------------------------------ what is served

var onEventFlow = single("go-on-event", func(t *Task) (any, error) {
	mark(t, t.text("name"))
	return Output{"meta": t.action.GetAdditionalMetadata(),
		"event": t.action.GetTriggeringEventKey()}, nil
}).on("go:made:*")

var doomedFlow = single("go-doomed", func(t *Task) (any, error) {
	mark(t, "began")
	return nil, errors.New("doomed")
}, retries(2))

// Its slot is free while it goes on.
var releasedFlow = single("go-released", func(t *Task) (any, error) {
	if t.text("gate") == "" {
		return Output{"v": 2}, nil
	}
	mark(t, "began")
	if err := t.client.call(t, "/Dispatcher/ReleaseSlot",
		&pb.ReleaseSlotRequest{TaskRunExternalId: t.action.TaskRunExternalId},
		&pb.ReleaseSlotResponse{}); err != nil {
		return nil, err
	}
	return Output{"v": 1}, gate(t, t.text("gate"))
})

// ------------------------------------------------------------------------------------------ cases

func refused(err error, text string) error {
	if status.Code(err) != codes.InvalidArgument {
		return fmt.Errorf("it is not refused: %v", err)
	}
	return failsWith(err, text)
}

func caseOnEvent(ctx context.Context) error {
	file := fresh()
	request := event("go:made:order", Output{"file": file, "name": "one"})
	request.AdditionalMetadata = proto.String(`{"k":"v"}`)
	if err := client.call(ctx, "/EventsService/Push", request, &pb.Event{}); err != nil {
		return err
	}
	if _, err := push(ctx, "go:unmade:order", Output{"file": file, "name": "no"}); err != nil {
		return err
	}
	if _, err := push(ctx, "go:made:", Output{"file": file, "name": "two"}); err != nil {
		return err
	}
	if err := until(ctx, "two runs", func() bool { return len(lines(file)) >= 2 }); err != nil {
		return err
	}
	got := lines(file)
	sort.Strings(got)
	return same(got, []string{"one", "two"})
}

// Every attempt's beginning and end is told, with the task's id, and then the run's.
func follow(ctx context.Context, id string) (string, error) {
	s, err := client.listen(ctx, "/Dispatcher/SubscribeToWorkflowEvents",
		&pb.SubscribeToWorkflowEventsRequest{WorkflowRunId: proto.String(id)})
	if err != nil {
		return "", err
	}
	text := ""
	for hangup := false; !hangup; {
		one := &pb.WorkflowEvent{}
		if err = s.RecvMsg(one); err != nil {
			return text, err
		}
		kind := strings.TrimPrefix(one.GetEventType().String(), "RESOURCE_EVENT_")
		if own := one.GetResourceId() == id; own !=
			(one.GetResourceType() == pb.ResourceType_RESOURCE_WORKFLOW_RUN) {
			return text, fmt.Errorf("a %s of %s %s", kind, one.GetResourceType(),
				one.GetResourceId())
		}
		text += fmt.Sprintf("%s %d %s;", kind, one.GetRetryCount(), one.GetEventPayload())
		hangup = one.GetHangup()
	}
	return text, nil
}

func caseExhausted(ctx context.Context) error {
	file := fresh()
	id, err := client.start(ctx, "go-doomed", Output{"file": file})
	if err != nil {
		return err
	}
	_, err = client.results.wait(ctx, id)
	if err = failsWith(err, "doomed"); err != nil {
		return err
	}
	if err = same(len(lines(file)), 3); err != nil {
		return err
	}
	text, err := follow(ctx, id)
	if err != nil {
		return err
	}
	return same(text, "STARTED 0 ;FAILED 0 doomed;STARTED 1 ;FAILED 1 doomed;"+
		"STARTED 2 ;FAILED 2 doomed;FAILED 0 ;")
}

func caseStepEvents(ctx context.Context) error {
	id, err := client.start(ctx, "go-square", Output{"v": 3})
	if err != nil {
		return err
	}
	text, err := follow(ctx, id)
	if err != nil {
		return err
	}
	return same(text, `STARTED 0 ;COMPLETED 0 {"v":9};COMPLETED 0 ;`)
}

var pairedFlow = single("go-paired", func(t *Task) (any, error) {
	return Output{"v": 1}, gate(t, t.text("gate"))
})

// A run that is open and one that comes later, by a pair of their metadata; the client hangs up
// with the last end.
func casePair(ctx context.Context) error {
	gate, mark := fresh(), fmt.Sprintf("p%d", os.Getpid())
	mine := withMetadata(map[string]string{"mark": mark, "other": "x"})
	first, err := client.start(ctx, "go-paired", Output{"gate": gate}, mine)
	if err != nil {
		return err
	}
	if _, err = client.start(ctx, "go-paired", Output{"gate": gate},
		withMetadata(map[string]string{"mark": mark + "0"})); err != nil {
		return err
	}
	s, err := client.listen(ctx, "/Dispatcher/SubscribeToWorkflowEvents",
		&pb.SubscribeToWorkflowEventsRequest{AdditionalMetaKey: proto.String("mark"),
			AdditionalMetaValue: proto.String(mark)})
	if err == nil {
		_, err = s.Header() // from here on nothing is missed
	}
	if err != nil {
		return err
	}
	second, err := client.start(ctx, "go-paired", Output{"gate": gate}, mine)
	if err != nil {
		return err
	}
	seen := map[string]string{}
	for hangup := false; !hangup; {
		one := &pb.WorkflowEvent{}
		if err = s.RecvMsg(one); err != nil {
			return fmt.Errorf("after %v: %w", seen, err)
		}
		kind := strings.TrimPrefix(one.GetEventType().String(), "RESOURCE_EVENT_")
		seen[one.GetWorkflowRunId()] += kind + ";"
		if len(seen) == 2 && kind == "STARTED" {
			if err = touch(gate); err != nil {
				return err
			}
		}
		hangup = one.GetHangup()
	}
	whole := "STARTED;COMPLETED;COMPLETED;"
	return same(seen, map[string]string{first: whole, second: whole})
}

func caseReleaseSlot(ctx context.Context) error {
	file, gate := fresh(), fresh()
	worker, err := startWorker(ctx, "go-releasing", 1, releasedFlow)
	if err != nil {
		return err
	}
	defer worker.kill()
	first, err := client.start(ctx, "go-released", Output{"file": file, "gate": gate})
	if err != nil {
		return err
	}
	if err = until(ctx, "the start", func() bool { return len(lines(file)) == 1 }); err != nil {
		return err
	}
	out, err := runOne(ctx, "go-released", Output{})
	if err != nil {
		return err
	}
	if err = same(out.int("v"), 2); err != nil {
		return err
	}
	if err = touch(gate); err != nil {
		return err
	}
	all, err := client.results.wait(ctx, first)
	if err != nil {
		return err
	}
	return same(all["go-released"].int("v"), 1)
}

func caseSchedule(ctx context.Context) error {
	begun := time.Now()
	at := begun.Add(400 * time.Millisecond)
	request := &pb.ScheduleWorkflowRequest{Name: proto.String("go-square"),
		Input: proto.String(`{"v":12}`), Schedules: []*pb.Timestamp{{
			Seconds: proto.Int64(at.Unix()), Nanos: proto.Int32(int32(at.Nanosecond()))}}}
	answer := &pb.WorkflowVersion{}
	if err := client.call(ctx, "/WorkflowService/ScheduleWorkflow", request,
		answer); err != nil {
		return err
	}
	if err := same(len(answer.GetScheduledWorkflows()), 1); err != nil {
		return err
	}
	out, err := client.results.wait(ctx, answer.GetScheduledWorkflows()[0].GetId())
	if err != nil {
		return err
	}
	if time.Since(begun) < 400*time.Millisecond {
		return errors.New("it began before its time")
	}
	return same(out["go-square"].int("v"), 144)
}

func putLimit(ctx context.Context, key string, limit int32) error {
	return client.call(ctx, "/WorkflowService/PutRateLimit", &pb.PutRateLimitRequest{
		Key: proto.String(key), Limit: proto.Int32(limit),
		Duration: pb.RateLimitDuration_MINUTE.Enum()}, &pb.PutRateLimitResponse{})
}

func caseRateLimit(ctx context.Context) error {
	key := fmt.Sprintf("go-limit-%d", os.Getpid())
	for _, limit := range []int32{5, 7} {
		if err := putLimit(ctx, key, limit); err != nil {
			return err
		}
	}
	var page struct {
		Rows []struct {
			Key    string `json:"key"`
			Limit  int    `json:"limitValue"`
			Window string `json:"window"`
		} `json:"rows"`
	}
	path := "/api/v1/tenants/" + client.claims.Tenant + "/rate-limits"
	if err := client.rest(ctx, "GET", path, url.Values{"search": {key}}, &page); err != nil {
		return err
	}
	if len(page.Rows) != 1 || page.Rows[0].Limit != 7 || page.Rows[0].Window != "MINUTE" {
		return fmt.Errorf("the limits are %v", page.Rows)
	}
	if err := refused(putLimit(ctx, "", 5), "key"); err != nil {
		return err
	}
	// Nothing is taken from it yet, so a task that would is not run without.
	using := single("go-limited", nil, func(o *pb.CreateTaskOpts) {
		o.RateLimits = []*pb.CreateTaskRateLimit{{Key: proto.String(key)}}
	})
	return refused(client.call(ctx, "/v1.AdminService/PutWorkflow", using.request(),
		&pb.CreateWorkflowVersionResponse{}), "rate_limits")
}

func caseLabels(ctx context.Context) error {
	worker, err := startWorker(ctx, "go-labelled", 1, simpleFlow)
	if err != nil {
		return err
	}
	defer worker.kill()
	request := &pb.UpsertWorkerLabelsRequest{WorkerId: proto.String(worker.id)}
	answer := &pb.UpsertWorkerLabelsResponse{}
	if err = client.call(ctx, "/Dispatcher/UpsertWorkerLabels", request, answer); err != nil {
		return err
	}
	if err = same(answer.GetWorkerId(), worker.id); err != nil {
		return err
	}
	request.Labels = map[string]*pb.WorkerLabels{"gpu": {StrValue: proto.String("a")}}
	return refused(client.call(ctx, "/Dispatcher/UpsertWorkerLabels", request, answer), "labels")
}

// A filter over gRPC: of one workflow, by a pair of metadata.
func filter(ctx context.Context, flow *Workflow, mark string) (*pb.TasksFilter, error) {
	version := &pb.CreateWorkflowVersionResponse{}
	err := client.call(ctx, "/v1.AdminService/PutWorkflow", flow.request(), version)
	since := time.Now().Add(-time.Hour)
	return &pb.TasksFilter{Since: &pb.Timestamp{Seconds: proto.Int64(since.Unix())},
		WorkflowIds:        []string{version.GetWorkflowId()},
		AdditionalMetadata: []string{"nobody:has", "mark:" + mark}}, err
}

func caseCancelMany(ctx context.Context) error {
	file, mark := fresh(), fmt.Sprintf("c%d", os.Getpid())
	ids := []string{}
	for i := 0; i < 3; i++ {
		id, err := client.start(ctx, "go-endless", Output{"file": file},
			withMetadata(map[string]string{"mark": mark}))
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := until(ctx, "the starts", func() bool { return len(lines(file)) == 3 }); err != nil {
		return err
	}
	wanted, err := filter(ctx, endlessFlow, mark)
	if err != nil {
		return err
	}
	answer := &pb.CancelTasksResponse{}
	if err = client.call(ctx, "/v1.AdminService/CancelTasks",
		&pb.CancelTasksRequest{Filter: wanted}, answer); err != nil {
		return err
	}
	got := answer.GetCancelledTasks()
	sort.Strings(got)
	sort.Strings(ids)
	if err = same(got, ids); err != nil {
		return err
	}
	for _, id := range ids {
		if err = untilStatus(ctx, id, pb.RunStatus_CANCELLED); err != nil {
			return err
		}
	}
	wanted.Since = nil
	return refused(client.call(ctx, "/v1.AdminService/CancelTasks",
		&pb.CancelTasksRequest{Filter: wanted}, answer), "since")
}

func caseReplayMany(ctx context.Context) error {
	file, mark := fresh(), fmt.Sprintf("r%d", os.Getpid())
	ids := []string{}
	for i := 0; i < 3; i++ {
		id, err := client.start(ctx, "go-gated", Output{"file": file},
			withMetadata(map[string]string{"mark": mark}))
		if err != nil {
			return err
		}
		ids = append(ids, id)
		_, err = client.results.wait(ctx, id)
		if err = failsWith(err, "not yet"); err != nil {
			return err
		}
	}
	if err := touch(file); err != nil {
		return err
	}
	wanted, err := filter(ctx, gatedFlow, mark)
	if err != nil {
		return err
	}
	wanted.Statuses = []string{"FAILED"}
	answer := &pb.ReplayTasksResponse{}
	if err = client.call(ctx, "/v1.AdminService/ReplayTasks",
		&pb.ReplayTasksRequest{Filter: wanted}, answer); err != nil {
		return err
	}
	if err = same(len(answer.GetReplayedTasks()), 3); err != nil {
		return err
	}
	for _, id := range ids {
		if err = untilStatus(ctx, id, pb.RunStatus_COMPLETED); err != nil {
			return err
		}
	}
	return nil
}

// Several processes register the same new workflow at once: all have the one version.
func caseRegisterAtOnce(ctx context.Context) error {
	flow := single(fmt.Sprintf("go-at-once-%d", os.Getpid()), nil)
	type answer struct {
		version string
		err     error
	}
	answers := make(chan answer)
	for i := 0; i < 8; i++ {
		go func() {
			other, err := connect()
			version := &pb.CreateWorkflowVersionResponse{}
			if err == nil {
				defer other.conn.Close()
				err = other.once(ctx, "/v1.AdminService/PutWorkflow", flow.request(), version)
			}
			answers <- answer{version.GetId(), err}
		}()
	}
	versions := map[string]bool{}
	for i := 0; i < 8; i++ {
		one := <-answers
		if one.err != nil {
			return one.err
		}
		versions[one.version] = true
	}
	return same(len(versions), 1)
}

// SDKs of before v1: PutWorkflow with jobs and steps, and Listen.
func caseLegacy(ctx context.Context) error {
	step := func(name string, parents ...string) *pb.CreateWorkflowStepOpts {
		return &pb.CreateWorkflowStepOpts{ReadableId: proto.String(name),
			Action: proto.String("go-square:go-square"), Timeout: proto.String("60s"),
			Inputs: proto.String("{}"), UserData: proto.String("{}"), Parents: parents}
	}
	last := step("b", "a")
	request := &pb.PutWorkflowRequest{Opts: &pb.CreateWorkflowVersionOpts{
		Name: proto.String("go-legacy"), Version: proto.String("v1"),
		Jobs: []*pb.CreateWorkflowJobOpts{{Name: proto.String("job"),
			Steps: []*pb.CreateWorkflowStepOpts{step("a"), last}}}}}
	answer := &pb.WorkflowVersion{}
	if err := client.call(ctx, "/WorkflowService/PutWorkflow", request, answer); err != nil {
		return err
	}
	if len(answer.GetId()) != 36 || len(answer.GetWorkflowId()) != 36 {
		return fmt.Errorf("the version is %v", answer)
	}
	worker, err := startWorkerOver(ctx, "/Dispatcher/Listen", "go-listening", 1, squareFlow)
	if err != nil {
		return err
	}
	defer worker.kill()
	out, err := client.run(ctx, "go-legacy", Output{"v": 6})
	if err != nil {
		return err
	}
	if err = same([2]int{out["a"].int("v"), out["b"].int("v")}, [2]int{36, 36}); err != nil {
		return err
	}
	last.RateLimits = []*pb.CreateStepRateLimit{{Key: proto.String("k")}}
	return refused(client.call(ctx, "/WorkflowService/PutWorkflow", request, answer),
		"opts.jobs[0].steps[1].rate_limits")
}
