package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	pb "froe.test/hatchet/hatchet"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const caseTime = 90 * time.Second

var (
	client *Client
	folder string
	files  int
)

// A name that no file has yet.
func fresh() string {
	files++
	return filepath.Join(folder, fmt.Sprintf("f%d", files))
}

func lines(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func until(ctx context.Context, what string, condition func() bool) error {
	for !condition() {
		select {
		case <-ctx.Done():
			return errors.New("waited in vain for " + what)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func touch(file string) error {
	return os.WriteFile(file, nil, 0o600)
}

func same(got, wanted any) error {
	if reflect.DeepEqual(got, wanted) {
		return nil
	}
	return fmt.Errorf("got %v, not %v", got, wanted)
}

func failsWith(err error, text string) error {
	if err != nil && strings.Contains(err.Error(), text) {
		return nil
	}
	return fmt.Errorf("the error is %v, without %q", err, text)
}

// The numbers of a run's only task, by name.
func runOne(ctx context.Context, name string, input any, options ...Option) (Output, error) {
	all, err := client.run(ctx, name, input, options...)
	return all[name], err
}

func details(ctx context.Context, id string) (*pb.GetRunDetailsResponse, error) {
	out := &pb.GetRunDetailsResponse{}
	err := client.call(ctx, "/v1.AdminService/GetRunDetails",
		&pb.GetRunDetailsRequest{ExternalId: proto.String(id)}, out)
	return out, err
}

func untilStatus(ctx context.Context, id string, wanted pb.RunStatus) error {
	return until(ctx, wanted.String(), func() bool {
		found, err := details(ctx, id)
		return err == nil && found.GetStatus() == wanted
	})
}

// ------------------------------------------------------------------------------------------ cases

type Case struct {
	name  string
	needs []*Workflow
	run   func(ctx context.Context) error
}

func caseSimple(ctx context.Context) error {
	out, err := runOne(ctx, "go-Simple", Output{"msg": "hi"},
		withMetadata(map[string]string{"k": "v"}))
	if err != nil {
		return err
	}
	meta := map[string]any{}
	text, _ := out["meta"].(string)
	if err = json.Unmarshal([]byte(text), &meta); err != nil {
		return fmt.Errorf("metadata %q: %w", text, err)
	}
	if meta["k"] != "v" {
		return fmt.Errorf("metadata %q", text)
	}
	return same(out["msg"], "hi!")
}

func caseDag(ctx context.Context) error {
	out, err := client.run(ctx, "go-dag", Output{"v": 1})
	if err != nil {
		return err
	}
	got := [4]int{out["a"].int("v"), out["B"].int("v"), out["c"].int("v"), out["d"].int("v")}
	return same(got, [4]int{2, 20, 200, 220})
}

func caseRetries(ctx context.Context) error {
	file := fresh()
	out, err := runOne(ctx, "go-flaky", Output{"file": file})
	if err != nil {
		return err
	}
	times := lines(file)
	if out.int("tries") != 2 || len(times) != 3 {
		return fmt.Errorf("%v, %v", out, times)
	}
	first, _ := strconv.Atoi(times[0])
	last, _ := strconv.Atoi(times[2])
	if last-first < 1900 {
		return fmt.Errorf("a second before each retry, not %d ms for two", last-first)
	}
	return nil
}

func caseNonRetryable(ctx context.Context) error {
	file := fresh()
	_, err := runOne(ctx, "go-hopeless", Output{"file": file})
	if err = failsWith(err, "no use"); err != nil {
		return err
	}
	return same(len(lines(file)), 1)
}

func caseOnFailure(ctx context.Context) error {
	file := fresh()
	_, err := client.run(ctx, "go-failing", Output{"file": file})
	if err = failsWith(err, "it broke"); err != nil {
		return err
	}
	if err = until(ctx, "the on-failure task",
		func() bool { return len(lines(file)) > 0 }); err != nil {
		return err
	}
	return same(lines(file)[0], "it broke")
}

func caseTimeout(ctx context.Context) error {
	file := fresh()
	if _, err := runOne(ctx, "go-late",
		Output{"file": file}); err == nil || ctx.Err() != nil {
		return fmt.Errorf("the run did not fail: %v", err)
	}
	if err := until(ctx, "the abort",
		func() bool { return len(lines(file)) == 2 }); err != nil {
		return err
	}
	return same(lines(file), []string{"began", "aborted"})
}

func caseRefresh(ctx context.Context) error {
	out, err := runOne(ctx, "go-refreshed", Output{})
	if err != nil {
		return err
	}
	return same(out.int("done"), 1)
}

func caseCancel(ctx context.Context) error {
	file := fresh()
	id, err := client.start(ctx, "go-endless", Output{"file": file})
	if err != nil {
		return err
	}
	if err = until(ctx, "the start", func() bool { return len(lines(file)) == 1 }); err != nil {
		return err
	}
	request := &pb.CancelTasksRequest{ExternalIds: []string{id}}
	if err = client.call(ctx, "/v1.AdminService/CancelTasks", request,
		&pb.CancelTasksResponse{}); err != nil {
		return err
	}
	if err = until(ctx, "the abort", func() bool { return len(lines(file)) == 2 }); err != nil {
		return err
	}
	return untilStatus(ctx, id, pb.RunStatus_CANCELLED)
}

func caseChildren(ctx context.Context) error {
	out, err := runOne(ctx, "go-fan", Output{"v": 20})
	if err != nil {
		return err
	}
	return same([2]int{out.int("one"), out.int("many")}, [2]int{14, 2470})
}

func caseChildrenRetry(ctx context.Context) error {
	file := fresh()
	out, err := runOne(ctx, "go-spawner", Output{"file": file})
	if err != nil {
		return err
	}
	return same([3]int{out.int("v"), out.int("tries"), len(lines(file))}, [3]int{7, 1, 1})
}

func caseBulk(ctx context.Context) error {
	request := &pb.BulkTriggerWorkflowRequest{}
	for v := 0; v < 1000; v++ {
		request.Workflows = append(request.Workflows, trigger("go-square",
			Output{"v": v}))
	}
	answer := &pb.BulkTriggerWorkflowResponse{}
	if err := client.call(ctx, "/WorkflowService/BulkTriggerWorkflow", request,
		answer); err != nil {
		return err
	}
	if err := same(len(answer.GetWorkflowRunIds()), 1000); err != nil {
		return err
	}
	for v, id := range answer.GetWorkflowRunIds() {
		out, err := client.results.wait(ctx, id)
		if err != nil {
			return err
		}
		if err = same(out["go-square"].int("v"), v*v); err != nil {
			return err
		}
	}
	return nil
}

func event(key string, payload any) *pb.PushEventRequest {
	return &pb.PushEventRequest{Key: proto.String(key),
		Payload: proto.String(toJSON(payload)), EventTimestamp: now()}
}

func push(ctx context.Context, key string, payload any) (*pb.Event, error) {
	out := &pb.Event{}
	err := client.call(ctx, "/EventsService/Push", event(key, payload), out)
	return out, err
}

func caseEvents(ctx context.Context) error {
	one, err := push(ctx, "go:one", Output{"a": 1})
	if err != nil {
		return err
	}
	if err = same([2]any{len(one.GetEventId()), one.GetKey()}, [2]any{36,
		"go:one"}); err != nil {
		return err
	}
	request, answer := &pb.BulkPushEventRequest{}, &pb.Events{}
	for i := 0; i < 3; i++ {
		request.Events = append(request.Events, event("go:many", Output{"a": i}))
	}
	if err = client.call(ctx, "/EventsService/BulkPush", request, answer); err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, each := range answer.GetEvents() {
		ids[each.GetEventId()] = true
	}
	return same(len(ids), 3)
}

func caseLogs(ctx context.Context) error {
	out, err := runOne(ctx, "go-logs", Output{})
	if err != nil {
		return err
	}
	task, _ := out["task"].(string)
	var last error
	err = until(ctx, "three lines", func() bool {
		var page struct {
			Rows []struct {
				Message string `json:"message"`
			} `json:"rows"`
		}
		last = client.rest(ctx, "GET", "/api/v1/stable/tasks/"+task+"/logs", nil, &page)
		all := ""
		for _, row := range page.Rows {
			all += row.Message + ";"
		}
		return strings.Contains(all, "line one") && strings.Contains(all,
			"line two") && strings.Contains(all, "line three")
	})
	if err != nil && last != nil {
		return last
	}
	return err
}

func caseStreaming(ctx context.Context) error {
	file := fresh()
	id, err := client.start(ctx, "go-stream", Output{"file": file, "v": 50})
	if err != nil {
		return err
	}
	s, err := client.listen(ctx, "/Dispatcher/SubscribeToWorkflowEvents",
		&pb.SubscribeToWorkflowEventsRequest{WorkflowRunId: proto.String(id)})
	if err != nil {
		return err
	}
	time.AfterFunc(500*time.Millisecond, func() { _ = touch(file) })
	text, wanted := "", ""
	for hangup := false; !hangup; {
		one := &pb.WorkflowEvent{}
		if err = s.RecvMsg(one); err != nil {
			return fmt.Errorf("after %q: %w", text, err)
		}
		if one.GetEventType() == pb.ResourceEventType_RESOURCE_EVENT_STREAM {
			text += one.GetEventPayload()
		}
		hangup = one.GetHangup()
	}
	for i := 0; i < 50; i++ {
		wanted += fmt.Sprintf("%d;", i)
	}
	return same(text, wanted)
}

func casePriority(ctx context.Context) error {
	file, gate := fresh(), fresh()
	worker, err := startWorker(ctx, "go-one-slot", 1, queuedFlow)
	if err != nil {
		return err
	}
	defer worker.kill()
	id, err := client.start(ctx, "go-queued", Output{"file": file, "gate": gate,
		"name": "first"})
	if err != nil {
		return err
	}
	if err = until(ctx, "the first to have the slot",
		func() bool { return len(lines(file)) == 1 }); err != nil {
		return err
	}
	ids := []string{id}
	for _, each := range []struct {
		name     string
		priority int32
	}{{"low", 1}, {"low", 1}, {"high", 3}, {"high", 3}} {
		if id, err = client.start(ctx, "go-queued", Output{"file": file,
			"name": each.name}, withPriority(each.priority)); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err = touch(gate); err != nil {
		return err
	}
	for _, id = range ids {
		if _, err = client.results.wait(ctx, id); err != nil {
			return err
		}
	}
	return same(lines(file), []string{"first", "high", "high", "low", "low"})
}

func caseDurableSleep(ctx context.Context) error {
	begun := time.Now()
	out, err := runOne(ctx, "go-nap", Output{"file": fresh(), "sleep": "2s"})
	if err != nil {
		return err
	}
	if time.Since(begun) < 1900*time.Millisecond {
		return errors.New("it slept less than it was told")
	}
	return same(out.int("v"), 81)
}

func caseDurableEvent(ctx context.Context) error {
	if err := waited(ctx, ""); err != nil {
		return err
	}
	return waited(ctx, "late")
}

func waited(ctx context.Context, late string) error {
	key := fmt.Sprintf("go:waited:%d%s", os.Getpid(), late)
	id, err := client.start(ctx, "go-waiter", Output{"key": key, "late": late})
	if err != nil {
		return err
	}
	for { // it is heard once the task waits
		if _, err = push(ctx, key, Output{"answer": 42}); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		out, err := client.results.wait(short, id)
		cancel()
		if err == nil {
			text, _ := out["go-waiter"]["event"].(string)
			if !strings.Contains(strings.ReplaceAll(text, " ", ""), `"answer":42`) {
				return fmt.Errorf("the event is %q", text)
			}
			return nil
		}
		if ctx.Err() != nil || short.Err() == nil {
			return err
		}
	}
}

func caseDetails(ctx context.Context) error {
	id, err := client.start(ctx, "go-dag", Output{"v": 5})
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
	names := []string{}
	for name, task := range found.GetTaskRuns() {
		names = append(names, name)
		if task.GetStatus() != pb.RunStatus_COMPLETED || task.GetReadableId() != name {
			return fmt.Errorf("task %s is %v", name, task)
		}
	}
	sort.Strings(names)
	if err = same(names, []string{"B", "a", "c", "d"}); err != nil {
		return err
	}
	output := Output{}
	if err = json.Unmarshal(found.GetTaskRuns()["d"].GetOutput(), &output); err != nil {
		return err
	}
	return same([3]any{found.GetDone(), found.GetStatus(), output.int("v")}, [3]any{true,
		pb.RunStatus_COMPLETED, 660})
}

func caseList(ctx context.Context) error {
	mark := fmt.Sprintf("m%d", os.Getpid())
	id, err := client.start(ctx, "go-Simple", Output{"msg": "x"},
		withMetadata(map[string]string{"mark": mark}))
	if err != nil {
		return err
	}
	if _, err = client.results.wait(ctx, id); err != nil {
		return err
	}
	// At once: a list never lags behind what its caller has been told.
	var page struct {
		Rows []struct {
			Run      string    `json:"workflowRunExternalId"`
			Status   string    `json:"status"`
			Started  time.Time `json:"startedAt"`
			Finished time.Time `json:"finishedAt"`
		} `json:"rows"`
	}
	query := url.Values{"since": {time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)},
		"only_tasks": {"false"}, "additional_metadata": {"mark:" + mark}}
	path := "/api/v1/stable/tenants/" + client.claims.Tenant + "/workflow-runs"
	if err = client.rest(ctx, "GET", path, query, &page); err != nil {
		return err
	}
	if len(page.Rows) != 1 || page.Rows[0].Run != id ||
		page.Rows[0].Finished.Before(page.Rows[0].Started) {
		return fmt.Errorf("run %s is not the one row of %v", id, page.Rows)
	}
	return same(page.Rows[0].Status, "COMPLETED")
}

func caseReplay(ctx context.Context) error {
	file := fresh()
	id, err := client.start(ctx, "go-gated", Output{"file": file})
	if err != nil {
		return err
	}
	_, err = client.results.wait(ctx, id)
	if err = failsWith(err, "not yet"); err != nil {
		return err
	}
	if err = touch(file); err != nil {
		return err
	}
	request := &pb.ReplayTasksRequest{ExternalIds: []string{id}}
	if err = client.call(ctx, "/v1.AdminService/ReplayTasks", request,
		&pb.ReplayTasksResponse{}); err != nil {
		return err
	}
	return untilStatus(ctx, id, pb.RunStatus_COMPLETED)
}

func caseUnknown(ctx context.Context) error {
	_, err := client.start(ctx, "go-nobody-has-this", Output{})
	if code := status.Code(err); code != codes.NotFound && code != codes.InvalidArgument {
		return fmt.Errorf("the error is %v", err)
	}
	return failsWith(err, "go-nobody-has-this")
}

func caseUnauthenticated(ctx context.Context) error {
	stranger := *client
	at := len(client.token) - 10 // within the signature
	other := "A"
	if client.token[at] == 'A' {
		other = "B"
	}
	stranger.token = client.token[:at] + other + client.token[at+1:]
	err := stranger.once(ctx, "/WorkflowService/TriggerWorkflow", trigger("go-Simple", Output{}),
		&pb.TriggerWorkflowResponse{})
	return same(status.Code(err), codes.Unauthenticated)
}

func caseWorkerRestart(ctx context.Context) error {
	file, gate := fresh(), fresh()
	first, err := startWorker(ctx, "go-held-1", 5, heldFlow)
	if err != nil {
		return err
	}
	id, err := client.start(ctx, "go-held", Output{"file": file, "gate": gate})
	if err != nil {
		return err
	}
	if err = until(ctx, "the start", func() bool { return len(lines(file)) == 1 }); err != nil {
		return err
	}
	first.kill()
	second, err := startWorker(ctx, "go-held-2", 5, heldFlow)
	if err != nil {
		return err
	}
	if err = until(ctx, "another attempt",
		func() bool { return len(lines(file)) == 2 }); err != nil {
		return err
	}
	if err = touch(gate); err != nil {
		return err
	}
	if _, err = client.results.wait(ctx, id); err != nil {
		return err
	}
	// In good order: the next run waits for the next worker.
	if err = second.close(ctx); err != nil {
		return err
	}
	if id, err = client.start(ctx, "go-held", Output{"file": file,
		"gate": gate}); err != nil {
		return err
	}
	third, err := startWorker(ctx, "go-held-3", 5, heldFlow)
	if err != nil {
		return err
	}
	defer third.kill()
	_, err = client.results.wait(ctx, id)
	return err
}

// The connections' owners stay up; the engine does not.
func caseEngineRestart(ctx context.Context) error {
	file, napped := fresh(), fresh()
	ids := []string{}
	for v := 0; v < 20; v++ {
		id, err := client.start(ctx, "go-slow", Output{"file": file, "v": v})
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	durable, err := client.start(ctx, "go-nap", Output{"file": napped, "sleep": "5s"})
	if err != nil {
		return err
	}
	err = until(ctx, "the middle", func() bool {
		return len(lines(file)) >= 10 && len(lines(napped)) == 1
	})
	if err != nil {
		return err
	}
	restart := exec.CommandContext(ctx, "/bin/sh", "-c", os.Getenv("HATCHET_TEST_ENGINE"))
	restart.Stdout, restart.Stderr = os.Stdout, os.Stderr
	if err = restart.Run(); err != nil {
		return err
	}
	for v, id := range ids {
		out, err := client.results.wait(ctx, id)
		if err != nil {
			return err
		}
		if err = same(out["go-slow"].int("v"), v); err != nil {
			return err
		}
	}
	out, err := client.results.wait(ctx, durable)
	if err != nil {
		return err
	}
	if err = same(out["go-nap"].int("v"), 81); err != nil {
		return err
	}
	after, err := runOne(ctx, "go-Simple", Output{"msg": "after"})
	if err != nil {
		return err
	}
	return same(after["msg"], "after!")
}

var cases = []Case{
	{"unauthenticated", nil, caseUnauthenticated},
	{"simple", []*Workflow{simpleFlow}, caseSimple},
	{"dag", []*Workflow{dagFlow}, caseDag},
	{"retries", []*Workflow{flakyFlow}, caseRetries},
	{"non-retryable", []*Workflow{hopelessFlow}, caseNonRetryable},
	{"on-failure", []*Workflow{failingFlow}, caseOnFailure},
	{"timeout", []*Workflow{lateFlow}, caseTimeout},
	{"refresh", []*Workflow{refreshedFlow}, caseRefresh},
	{"cancel", []*Workflow{endlessFlow}, caseCancel},
	{"children", []*Workflow{fanFlow, squareFlow}, caseChildren},
	{"children-retry", []*Workflow{spawnerFlow, onceFlow}, caseChildrenRetry},
	{"bulk", []*Workflow{squareFlow}, caseBulk},
	{"events", nil, caseEvents},
	{"logs", []*Workflow{logsFlow}, caseLogs},
	{"streaming", []*Workflow{streamFlow}, caseStreaming},
	{"priority", nil, casePriority},
	{"durable-sleep", []*Workflow{napFlow, squareFlow}, caseDurableSleep},
	{"durable-event", []*Workflow{waiterFlow}, caseDurableEvent},
	{"durable-stream", []*Workflow{remembersFlow, onceFlow}, caseDurableStream},
	{"durable-stranger", []*Workflow{staysFlow, onceFlow}, caseDurableStranger},
	{"durable-branch", []*Workflow{branchesFlow, onceFlow}, caseDurableBranch},
	{"details", []*Workflow{dagFlow}, caseDetails},
	{"list", []*Workflow{simpleFlow}, caseList},
	{"replay", []*Workflow{gatedFlow}, caseReplay},
	{"unknown", nil, caseUnknown},
	{"on-event", []*Workflow{onEventFlow}, caseOnEvent},
	{"exhausted", []*Workflow{doomedFlow}, caseExhausted},
	{"step-events", []*Workflow{squareFlow}, caseStepEvents},
	{"pair", []*Workflow{pairedFlow}, casePair},
	{"release-slot", nil, caseReleaseSlot},
	{"schedule", []*Workflow{squareFlow}, caseSchedule},
	{"rate-limit", nil, caseRateLimit},
	{"labels", nil, caseLabels},
	{"cancel-many", []*Workflow{endlessFlow}, caseCancelMany},
	{"replay-many", []*Workflow{gatedFlow}, caseReplayMany},
	{"legacy", []*Workflow{squareFlow}, caseLegacy},
	{"register-at-once", nil, caseRegisterAtOnce},
	{"worker-restart", nil, caseWorkerRestart},
	{"engine-restart", []*Workflow{slowFlow, napFlow, squareFlow, simpleFlow},
		caseEngineRestart},
}

// ---------------------------------------------------------------------------------------- running

func choose(names []string) ([]Case, error) {
	if len(names) == 0 {
		return cases, nil
	}
	chosen, all := []Case{}, []string{}
	for _, each := range cases {
		all = append(all, each.name)
		for _, name := range names {
			if name == each.name {
				chosen = append(chosen, each)
			}
		}
	}
	if len(chosen) < len(names) {
		return nil, fmt.Errorf("there are the cases %s", strings.Join(all, " "))
	}
	return chosen, nil
}

func startMain(chosen []Case) (*Worker, error) {
	wanted, seen := []*Workflow{}, map[*Workflow]bool{}
	for _, each := range chosen {
		for _, flow := range each.needs {
			if !seen[flow] {
				wanted, seen[flow] = append(wanted, flow), true
			}
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return startWorker(ctx, "go-main", 50, wanted...)
}

func runAll(chosen []Case) (passed, failed int) {
	worker, why := startMain(chosen)
	if why != nil {
		fmt.Printf("no worker: %v\n", why)
	}
	for _, each := range chosen {
		if each.name == "engine-restart" && os.Getenv("HATCHET_TEST_ENGINE") == "" {
			fmt.Printf("skipped %s: HATCHET_TEST_ENGINE is not set\n", each.name)
			continue
		}
		begun := time.Now()
		err := errors.New("there is no worker")
		if why == nil || each.needs == nil {
			ctx, cancel := context.WithTimeout(context.Background(), caseTime)
			err = each.run(ctx)
			cancel()
		}
		if err == nil {
			passed++
			fmt.Printf("passed %s %d ms\n", each.name,
				time.Since(begun).Milliseconds())
		} else {
			failed++
			fmt.Printf("FAILED %s: %v\n", each.name, err)
		}
	}
	if worker != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := worker.close(ctx); err != nil && failed == 0 {
			fmt.Printf("FAILED to unsubscribe: %v\n", err)
			failed++
		}
	}
	return passed, failed
}

func main() {
	chosen, err := choose(os.Args[1:])
	if err == nil {
		client, err = connect()
	}
	if err == nil {
		folder, err = os.MkdirTemp("", "froe-hatchet-go-")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	passed, failed := runAll(chosen)
	os.RemoveAll(folder)
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}
